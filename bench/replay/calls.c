/*
 * Calls that turn a slot's dirty logging on or off while vCPUs run. The call takes time:
 * it makes the new flag seen, and only then changes entries. Here it takes place at one
 * moment, so each fault beside it is moved to the side whose flag it saw: a fault that
 * maps a page for writing marks it dirty if, and only if, its slot is logged.
 *
 * Two kinds of fault are not asked for their marks. One saw the new flag, and what it
 * mapped was then protected by the call: it is played before the call. The other replaced
 * what somebody else had just mapped, after it had looked for its slot: when that was does
 * not follow from when it mapped.
 */
#include "parallel.h"

#define REGION_LOG 1u

/* What a fault shows of the flag. */
enum sight { SAW_NOTHING, SAW_OFF, SAW_ON };

static bool is_writable_leaf(const struct event *event)
{
	return event->kind == EVENT_SPTE_CHANGED &&
	       spte_is_leaf(event->u.changed.new_spte, event->u.changed.level) &&
	       (event->u.changed.new_spte & ENTRY_WRITE);
}

/* The event of the fault that maps a page for writing, or the stretch's end. */
static size_t leaf_of(const struct parallel *parallel, const struct group *fault)
{
	for (size_t i = fault->first; i <= fault->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == fault->task && is_writable_leaf(event))
			return i;
	}
	return parallel->end;
}

static enum sight sight_of(const struct parallel *parallel, const struct group *fault, size_t leaf)
{
	for (size_t i = fault->first; i < leaf; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == fault->task && event->kind == EVENT_MARK_DIRTY)
			return SAW_ON;
	}
	return SAW_OFF;
}

static bool is_in_slot(const struct event *call, const struct event *changed)
{
	uint64_t first = call->u.region.gpa >> TDP_PAGE_SHIFT;

	return changed->u.changed.as_id == call->u.region.as_id &&
	       changed->u.changed.gfn - first < call->u.region.bytes >> TDP_PAGE_SHIFT;
}

/* Does the call change the entry after the fault did? */
static bool changes_later(const struct parallel *parallel, const struct group *call, size_t leaf)
{
	size_t rank = parallel->rank[leaf - parallel->first];

	for (size_t i = call->first; i <= call->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == call->task && event->kind == EVENT_SPTE_CHANGED &&
		    parallel->rank[i - parallel->first] > rank &&
		    same_entry(event, event_at(parallel, leaf)))
			return true;
	}
	return false;
}

void calls_excuse(struct parallel *parallel, struct group *fault)
{
	fault->free_marks = true;
	for (size_t i = fault->first; i <= fault->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == fault->task && event->kind == EVENT_MARK_DIRTY)
			parallel->excused[i - parallel->first] = true;
	}
}

/* A fault beside the call, with the page that it mapped, or false. */
static bool is_beside(const struct parallel *parallel, const struct group *call,
		      const struct group *fault, size_t *leaf)
{
	if (fault->kind != GROUP_FAULT || !fault->changed || fault->last < call->first ||
	    fault->first > call->last)
		return false;
	*leaf = leaf_of(parallel, fault);
	return *leaf < parallel->end &&
	       is_in_slot(event_at(parallel, call->first), event_at(parallel, *leaf));
}

static int order_faults(struct parallel *parallel, size_t call, enum sight new_flag)
{
	size_t leaf;
	int err = 0;

	for (size_t g = 0; g < parallel->group_count && !err; g++) {
		struct group *fault = &parallel->groups[g];

		if (!is_beside(parallel, &parallel->groups[call], fault, &leaf))
			continue;
		if (spte_is_present(event_at(parallel, leaf)->u.changed.old_spte)) {
			calls_excuse(parallel, fault);
		} else if (sight_of(parallel, fault, leaf) != new_flag) {
			err = chain_require(parallel, g, call);
		} else if (changes_later(parallel, &parallel->groups[call], leaf)) {
			err = chain_require(parallel, g, call);
			calls_excuse(parallel, fault);
		} else {
			err = chain_require(parallel, call, g);
		}
	}
	return err;
}

int calls_order(struct parallel *parallel)
{
	int err = 0;

	for (size_t g = 0; g < parallel->group_count && !err; g++) {
		struct group *group = &parallel->groups[g];
		const struct event *event = event_at(parallel, group->first);

		if (event->kind == EVENT_REGION)
			err = order_faults(parallel, g,
					   event->u.region.flags & REGION_LOG ? SAW_ON : SAW_OFF);
		else if (group->kind == GROUP_FAULT && !group->changed)
			calls_excuse(parallel, group);
	}
	return err;
}
