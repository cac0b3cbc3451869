#include "script.h"

#include "act.h"
#include "mapping.h"
#include "program.h"

#include <errno.h>

#define PROCESS_BYTES ((uint64_t)1 << 56)

void script_collapse(struct replay *replay)
{
	struct range *range = ranges_find(&replay->ranges, replay->unmapped_start);

	if (!range)
		return;
	range->shown_start = replay->unmapped_start;
	range->shown_end = replay->unmapped_end;
}

size_t script_fault_end(const struct trace *trace, size_t first)
{
	unsigned int task = trace->events[first].task;
	bool returned = false;
	size_t end;

	for (end = first + 1; end < trace->count; end++) {
		const struct event *event = &trace->events[end];

		if (event->task != task)
			continue;
		if (event->kind == EVENT_EXIT)
			return end + 1;
		if (returned || event->kind == EVENT_PAGE_FAULT || event->kind == EVENT_MISCONFIG ||
		    event_is_marker(event))
			break;
		returned = event->kind == EVENT_RETURN;
	}
	return end;
}

/*
 * The host's own permission, from the leaf that came of it. Two lines print the leaf. If
 * they disagree, one of them is wrong, and MMU-writable decides, which only a host-writable
 * page may have. So the comparison then finds the wrong line.
 */
static bool writable_from(const struct replay *replay, const struct event *set,
			  const struct event *changed)
{
	bool first, second;

	if (!set)
		return true;
	first = set->u.set.spte & replay->bits->host_writable;
	if (!changed)
		return first || (set->u.set.spte & replay->bits->mmu_writable);
	second = changed->u.changed.new_spte & replay->bits->host_writable;
	if (first == second)
		return first;
	return (set->u.set.spte | changed->u.changed.new_spte) & replay->bits->mmu_writable;
}

void script_prepare(struct replay *replay, size_t first, size_t end, unsigned int task)
{
	const struct event *set = NULL, *changed = NULL;
	struct answer answer = {.asked = true};

	for (size_t i = first; i < end; i++) {
		const struct event *event = &replay->trace->events[i];

		if (event->task != task)
			continue;
		if (event->kind == EVENT_SPTE_REQUESTED && !answer.found) {
			answer.found = true;
			answer.pfn = event->u.requested.pfn;
			answer.level = event->u.requested.level;
		} else if (event->kind == EVENT_SPTE_CHANGED && answer.found &&
			   spte_is_leaf(event->u.changed.new_spte, event->u.changed.level)) {
			changed = event;
		} else if (event->kind == EVENT_SET_SPTE) {
			set = event;
		} else if (event->kind == EVENT_EXIT && event->u.exit.kind == EXIT_FAILED) {
			answer.refused = true;
		}
	}
	answer.refused &= !answer.found;
	if (!answer.found)
		answer.pfn = replay->pfn_limit;
	answer.writable = writable_from(replay, set, changed);
	replay->answer = answer;
}

static bool contradicts(struct replay *replay, unsigned int as_id, uint64_t gpa)
{
	struct answer *answer = &replay->answer;
	uint64_t now = mapping_frame(replay, as_id, gpa);

	if (now && !answer->found)
		answer->pfn = now - replay->names.data_base;
	return now && now != answer->pfn + replay->names.data_base;
}

bool script_cannot_answer(struct replay *replay, unsigned int line, unsigned int as_id,
			  uint64_t gpa)
{
	if (contradicts(replay, as_id, gpa))
		replay_lose(replay, line,
			    "the trace has another page for a gfn that the simulator maps");
	return replay->over;
}

void script_forget(struct replay *replay)
{
	replay->answer = (struct answer){0};
}

/* Performs what stands inside the fault, before its page. */
static void perform_acts(struct replay *replay)
{
	const struct event *event;

	if (replay->stretch)
		return;
	while ((event = replay_peek(replay)) != NULL && act_recognises(event))
		act_perform(replay, event);
}

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	struct replay *replay = context;
	const struct answer *answer = &replay->answer;

	(void)caller;
	(void)write;
	perform_acts(replay);
	if (answer->refused || replay->over)
		return -EFAULT;
	/* A fault that ends without a page gets one, too: that it does not use the page is output.
	 */
	page->pfn = tdp_pfn(replay->names.data_base + answer->pfn);
	page->writable = !answer->found || answer->writable;
	page->device = false;
	program_fill_page(replay, hva, page->pfn);
	return 0;
}

static unsigned int level(void *context, uint64_t hva)
{
	struct replay *replay = context;
	const struct answer *answer = &replay->answer;
	const struct range *range = ranges_find(&replay->ranges, hva);

	if (range && range->level != 0 && (hva < range->shown_start || range->shown_end <= hva))
		return range->level;
	/* A fault shows the level; for the checker, afterwards, no page is too large. */
	if (!answer->asked)
		return TDP_LEAF_LEVEL_MAX;
	return answer->found ? answer->level : 1;
}

static const struct tdp_backing_ops script_ops = {.resolve = resolve, .level = level};

void script_init(struct replay *replay)
{
	replay->backing.ops = &script_ops;
	replay->backing.context = replay;
	replay->backing.bytes = PROCESS_BYTES;
}
