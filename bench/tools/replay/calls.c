/*
 * Calls that turn a slot's dirty logging on or off while vCPUs run. The call takes time:
 * it makes the new flag seen, and only then changes entries, up the slot, with mmu_lock
 * shared. So each fault beside it is put on the side whose flag it saw (a fault that maps
 * a page for writing marks it dirty if, and only if, its slot is logged), and among the
 * call's steps where the entries say so.
 *
 * Two kinds of fault are not asked for their marks. One saw the new flag before the call's
 * first step: it is played before the call. The other replaced what somebody else had just
 * mapped, after it had looked for its slot: when that was does not follow from when it
 * mapped.
 */
#include "parallel.h"

#include <errno.h>
#include <stdlib.h>

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

/*
 * The call's step behind which it has left the entry alone: it goes up the slot. Its last
 * one, if the entry lies above all; the call itself, if it has no steps.
 */
static size_t step_past(const struct parallel *parallel, size_t call, size_t leaf)
{
	const struct group *group = &parallel->groups[call];
	size_t found = call;

	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = event_at(parallel, i);
		size_t owner = parallel->owner[i - parallel->first];

		if (event->task != group->task || event->kind != EVENT_SPTE_CHANGED || !owner)
			continue;
		found = owner - 1;
		if (event->u.changed.gfn > event_at(parallel, leaf)->u.changed.gfn)
			break;
	}
	return found;
}

static bool is_changed_later(const struct parallel *parallel, const struct group *call, size_t leaf)
{
	for (size_t i = call->first; i <= call->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (event->task == call->task && event->kind == EVENT_SPTE_CHANGED &&
		    same_entry(event, event_at(parallel, leaf)) &&
		    parallel->rank[i - parallel->first] > parallel->rank[leaf - parallel->first])
			return true;
	}
	return false;
}

/* Faults whose side of the call does not depend on that of others. */
static int order_plainly(struct parallel *parallel, size_t call, enum sight new_flag)
{
	size_t leaf;
	int err = 0;

	for (size_t g = 0; g < parallel->group_count && !err; g++) {
		struct group *fault = &parallel->groups[g];

		if (!is_beside(parallel, &parallel->groups[call], fault, &leaf))
			continue;
		if (spte_is_present(event_at(parallel, leaf)->u.changed.old_spte))
			calls_excuse(parallel, fault);
		else if (sight_of(parallel, fault, leaf) != new_flag)
			err = chain_require(parallel, g, call);
		else if (!is_changed_later(parallel, &parallel->groups[call], leaf))
			err = chain_require(parallel, step_past(parallel, call, leaf), g);
	}
	return err;
}

/* Marks the groups that come after a step of the call. */
static void mark_later(const struct parallel *parallel, const struct group *call, bool *later)
{
	bool more = true;

	for (size_t g = 0; g < parallel->group_count; g++)
		later[g] = parallel->groups[g].kind == GROUP_STEP &&
			   parallel->groups[g].task == call->task &&
			   call->first <= parallel->groups[g].first &&
			   parallel->groups[g].first <= call->last;
	while (more) {
		more = false;
		for (size_t e = 0; e < parallel->edge_count; e++) {
			if (!later[parallel->edges[e].before] || later[parallel->edges[e].after])
				continue;
			later[parallel->edges[e].after] = true;
			more = true;
		}
	}
}

/*
 * What saw the new flag and was then changed by the call: behind one of its steps, or
 * before the first. The second has no moment here, for the call begins to change entries
 * when it is made.
 */
static int order_changed(struct parallel *parallel, size_t call, enum sight new_flag, bool *later)
{
	size_t leaf;
	int err = 0;

	mark_later(parallel, &parallel->groups[call], later);
	for (size_t g = 0; g < parallel->group_count && !err; g++) {
		struct group *fault = &parallel->groups[g];

		if (later[g] || !is_beside(parallel, &parallel->groups[call], fault, &leaf) ||
		    spte_is_present(event_at(parallel, leaf)->u.changed.old_spte) ||
		    sight_of(parallel, fault, leaf) != new_flag ||
		    !is_changed_later(parallel, &parallel->groups[call], leaf))
			continue;
		err = chain_require(parallel, g, call);
		calls_excuse(parallel, fault);
	}
	return err;
}

static int order_faults(struct parallel *parallel, size_t call, enum sight new_flag)
{
	bool *later = calloc(parallel->group_count, sizeof(*later));
	int err = later ? order_plainly(parallel, call, new_flag) : -ENOMEM;

	if (!err)
		err = order_changed(parallel, call, new_flag, later);
	free(later);
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
