/*
 * The scripted backing: ranges, slots, and the answers of the host, each taken
 * from the fault that it belongs to.
 */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define PROCESS_BYTES ((uint64_t)1 << 56)

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page);
static unsigned int level(void *context, uint64_t hva);

static const struct tdp_backing_ops script_ops = {.resolve = resolve, .level = level};

/* One for all slots, as one process has one address space: what lies where may change later. */
void script_init(struct replay *replay)
{
	replay->script.backing.ops = &script_ops;
	replay->script.backing.context = replay;
	replay->script.backing.bytes = PROCESS_BYTES;
}

struct range *script_range(struct script *script, uint64_t hva)
{
	struct range *range = script->ranges;

	/* The youngest first: an address may be mapped again after a munmap. */
	while (range && !(range->hva <= hva && hva - range->hva < range->bytes))
		range = range->next;
	return range;
}

bool script_add_range(struct replay *replay, const struct event *event)
{
	struct range *range = calloc(1, sizeof(*range));

	if (!range)
		return false;
	range->hva = event->u.backing.hva;
	range->bytes = event->u.backing.bytes;
	range->level = event->u.backing.level;
	range->next = replay->script.ranges;
	replay->script.ranges = range;
	return true;
}

void script_free(struct script *script)
{
	struct range *range;

	while ((range = script->ranges) != NULL) {
		script->ranges = range->next;
		free(range);
	}
}

void script_collapse(struct replay *replay)
{
	struct script *script = &replay->script;
	struct range *range = script_range(script, script->unmapped_start);

	if (!range)
		return;
	range->told_start = script->unmapped_start;
	range->told_end = script->unmapped_end;
}

bool script_hits_slot(const struct script *script, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < SCRIPT_SPACES * SCRIPT_SLOTS; i++) {
		const struct scripted_slot *slot =
			&script->slots[i / SCRIPT_SLOTS][i % SCRIPT_SLOTS];

		if (slot->used && start < slot->hva + slot->bytes && slot->hva < end)
			return true;
	}
	return false;
}

const struct scripted_slot *script_slot(const struct script *script, unsigned int as_id,
					uint64_t gpa)
{
	for (unsigned int i = 0; i < SCRIPT_SLOTS; i++) {
		const struct scripted_slot *slot = &script->slots[as_id][i];

		if (slot->used && slot->gpa <= gpa && gpa - slot->gpa < slot->bytes)
			return slot;
	}
	return NULL;
}

/* Linux spte.h: bits 9 and 10 of an NPT entry, 57 and 58 of an EPT entry. */
static bool host_writable(const struct replay *replay, uint64_t spte)
{
	return spte >> (replay->settings.value[SETTING_FORMAT] ? 57 : 9) & 1;
}

static bool mmu_writable(const struct replay *replay, uint64_t spte)
{
	return spte >> (replay->settings.value[SETTING_FORMAT] ? 58 : 10) & 1;
}

/*
 * The host's own permission from the leaf that came of it. Two lines print the
 * leaf; where they disagree one of them is wrong, and what only a host-writable
 * page may have (MMU-writable) decides, so that the wrong line is the one that
 * the comparison then finds.
 */
static bool writable_from(const struct replay *replay, const struct event *set,
			  const struct event *changed)
{
	bool first, second;

	if (!set)
		return true;
	first = host_writable(replay, set->u.set.spte);
	if (!changed)
		return first || mmu_writable(replay, set->u.set.spte);
	second = host_writable(replay, changed->u.changed.new_spte);
	if (first == second)
		return first;
	return mmu_writable(replay, set->u.set.spte) ||
	       mmu_writable(replay, changed->u.changed.new_spte);
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
		answer.pfn = replay->script.pfn_limit;
	answer.writable = writable_from(replay, set, changed);
	replay->script.answer = answer;
}

bool script_leaf(struct replay *replay, unsigned int as_id, uint64_t gpa, struct tdp_entry *leaf)
{
	struct tdp_entry entry;
	struct tdp_iter *iter;
	bool found = false;

	if (tdp_iter_begin(replay->vm, as_id, tdp_gfn(gpa >> TDP_PAGE_SHIFT), 1, 1, &iter))
		return false;
	while (tdp_iter_next(iter, &entry)) {
		if (!entry.leaf)
			continue;
		*leaf = entry;
		found = true;
	}
	tdp_iter_end(iter);
	return found;
}

/* The frame that `gpa` is mapped to, or 0. */
static uint64_t mapped_now(struct replay *replay, unsigned int as_id, uint64_t gpa)
{
	struct tdp_entry leaf;

	if (!script_leaf(replay, as_id, gpa, &leaf))
		return 0;
	return leaf.pfn.n + ((gpa >> TDP_PAGE_SHIFT) - leaf.gfn.n);
}

bool script_contradicts(struct replay *replay, unsigned int as_id, uint64_t gpa)
{
	struct answer *answer = &replay->script.answer;
	uint64_t now = mapped_now(replay, as_id, gpa);

	if (now && !answer->found)
		answer->pfn = now - replay->names.data_base;
	return now && now != answer->pfn + replay->names.data_base;
}

void script_forget(struct replay *replay)
{
	replay->script.answer = (struct answer){0};
}

/* Host events that stand inside the fault, before its page. */
static void host_events(struct replay *replay)
{
	const struct event *event;

	if (replay->parallel)
		return;
	while ((event = replay_peek(replay)) != NULL && host_acts(event))
		host_act(replay, event);
}

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	struct replay *replay = context;
	const struct answer *answer = &replay->script.answer;

	(void)caller;
	(void)write;
	host_events(replay);
	if (answer->refused || replay->over)
		return -EFAULT;
	/* A fault that ends without a page still gets one: that it does not use it is output. */
	page->pfn = tdp_pfn(replay->names.data_base + answer->pfn);
	page->writable = !answer->found || answer->writable;
	page->device = false;
	guest_fill_page(replay, hva, page->pfn);
	return 0;
}

static unsigned int level(void *context, uint64_t hva)
{
	struct replay *replay = context;
	const struct answer *answer = &replay->script.answer;
	const struct range *range = script_range(&replay->script, hva);

	if (range && range->level != 0 && (hva < range->told_start || range->told_end <= hva))
		return range->level;
	/* The trace tells it in a fault; to the checker, afterwards, nothing is too large. */
	if (!answer->asked)
		return TDP_LEAF_LEVEL_MAX;
	return answer->found ? answer->level : 1;
}
