#include "meet.h"

#include "calls.h"
#include "step.h"

static bool same_key(const struct event *theirs, const struct event *ours)
{
	if (theirs->kind != ours->kind)
		return false;
	switch (ours->kind) {
	case EVENT_SPTE_CHANGED:
		return step_same_entry(theirs, ours);
	case EVENT_FAST_PAGE_FAULT:
		return theirs->u.fast.fixed && theirs->u.fast.gva >> 12 == ours->u.fast.gva >> 12;
	case EVENT_MARK_DIRTY:
		return theirs->u.dirty.gfn == ours->u.dirty.gfn;
	default:
		return false;
	}
}

static bool is_compared(const struct event *event)
{
	return event->kind == EVENT_SPTE_CHANGED || event->kind == EVENT_MARK_DIRTY ||
	       (event->kind == EVENT_FAST_PAGE_FAULT && event->u.fast.fixed);
}

/* For an event that fits nowhere: the line of the same fault that has not been met yet. */
static unsigned int line_of_no_match(const struct stretch *stretch)
{
	const struct group *group = stretch->playing;

	for (size_t i = group ? group->first : 0; group && i <= group->last; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (event->task == group->task && is_compared(event) &&
		    !stretch->met[i - stretch->first])
			return event->line;
	}
	return stretch_event(stretch, stretch->at)->line;
}

/* The first event of the same key that has not been met yet, or the stretch's end. */
static size_t find_match(const struct stretch *stretch, const struct event *ours, bool excused)
{
	size_t found = stretch->end;

	for (size_t i = stretch->first; i < stretch->end; i++) {
		if (stretch->met[i - stretch->first] ||
		    stretch->excused[i - stretch->first] != excused ||
		    !same_key(stretch_event(stretch, i), ours))
			continue;
		if (found == stretch->end ||
		    stretch->rank[i - stretch->first] < stretch->rank[found - stretch->first])
			found = i;
	}
	return found;
}

/*
 * Of two faults on one page, one under mmu_lock and one without, either may give W back, and
 * in a replay it can be the other one. So a change that gives W and no more also meets a
 * repair, and the other way round. The fault that comes too late marks nothing dirty.
 */
static bool meet_repair(struct stretch *stretch, const struct event *ours)
{
	struct entry_step step, other;

	if (!step_of(stretch, ours, &step) || step.new_spte != (step.old_spte | SPTE_WRITE))
		return false;
	for (size_t i = stretch->first; i < stretch->end; i++) {
		const struct event *theirs = stretch_event(stretch, i);
		size_t owner = stretch->owner[i - stretch->first];

		if (stretch->met[i - stretch->first] || theirs->kind == ours->kind ||
		    !step_of(stretch, theirs, &other) || !step_same(&step, &other) ||
		    other.new_spte != (other.old_spte | SPTE_WRITE))
			continue;
		stretch->met[i - stretch->first] = true;
		compare_repair(&stretch->replay->comparison, theirs, other.old_spte, step.old_spte);
		if (owner)
			calls_excuse(stretch, &stretch->groups[owner - 1]);
		return true;
	}
	return false;
}

/* The result of a call made beside vCPUs: whether it failed. What it found depends on the race. */
static void meet_result(struct stretch *stretch, const struct event *ours)
{
	const struct group *call = stretch->playing;
	struct event theirs, found = *ours;

	if (!call || stretch_event(stretch, call->last)->kind != ours->kind)
		return;
	theirs = *stretch_event(stretch, call->last);
	if (ours->kind == EVENT_LOG_RESULT)
		theirs.u.log_result.has_pages = found.u.log_result.has_pages = false;
	compare_events(&stretch->replay->comparison, &theirs, &found);
}

/* The event that `ours` meets, or the stretch's end. */
static size_t match_of(const struct stretch *stretch, const struct event *ours)
{
	size_t match = find_match(stretch, ours, false);

	if (match == stretch->end &&
	    (ours->kind != EVENT_SPTE_CHANGED || step_rewrites(stretch, ours)))
		match = find_match(stretch, ours, true);
	return match;
}

/* May the simulator make an event that the trace does not have? */
static bool is_surplus(struct stretch *stretch, const struct event *ours)
{
	if (ours->kind == EVENT_MARK_DIRTY && stretch->playing && stretch->playing->free_marks)
		return true;
	return meet_repair(stretch, ours) || step_rewrites(stretch, ours);
}

static void compare_match(struct stretch *stretch, const struct event *ours, size_t match)
{
	struct event theirs = *stretch_event(stretch, match);

	stretch->met[match - stretch->first] = true;
	if (theirs.kind == EVENT_FAST_PAGE_FAULT) {
		theirs.u.fast.vcpu = ours->u.fast.vcpu; /* either of two that raced */
		if (step_passes(stretch, stretch_event(stretch, match)))
			theirs.u.fast.new_spte = step_repaired(stretch, &theirs);
	}
	compare_events(&stretch->replay->comparison, &theirs, ours);
}

bool meet_event(struct stretch *stretch, const struct event *ours)
{
	size_t match;

	if (ours->kind == EVENT_REGION_RESULT || ours->kind == EVENT_LOG_RESULT)
		meet_result(stretch, ours);
	if (!is_compared(ours))
		return false;
	match = match_of(stretch, ours);
	if (match < stretch->end) {
		compare_match(stretch, ours, match);
		return ours->kind == EVENT_SPTE_CHANGED;
	}
	if (!is_surplus(stretch, ours))
		replay_lose(stretch->replay, line_of_no_match(stretch),
			    "the simulator has %s (%.*s), the trace no such change any more",
			    event_name(ours->kind), (int)ours->length,
			    ours->length ? ours->text : "");
	return false;
}

void meet_rest(struct stretch *stretch, size_t end)
{
	for (size_t i = stretch->first; i < end; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (is_compared(event) && !stretch->met[i - stretch->first] &&
		    !stretch->excused[i - stretch->first])
			compare_note(&stretch->replay->comparison, event->line,
				     "the trace has \"%.*s\", the simulator nothing",
				     (int)event->length, event->text);
	}
}
