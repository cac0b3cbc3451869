#include "calls.h"

#include "order.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>

#include <tdpsim/types.h>

#define REGION_LOG 1u

/* What a fault shows of the flag. */
enum sight { SAW_NOTHING, SAW_OFF, SAW_ON };

static bool is_writable_leaf(const struct event *event)
{
	return event->kind == EVENT_SPTE_CHANGED &&
	       spte_is_leaf(event->u.changed.new_spte, event->u.changed.level) &&
	       (event->u.changed.new_spte & SPTE_WRITE);
}

/* The event of the fault that maps a page for writing, or the stretch's end. */
static size_t leaf_of(const struct stretch *stretch, const struct group *fault)
{
	for (size_t i = fault->first; i <= fault->last; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (event->task == fault->task && is_writable_leaf(event))
			return i;
	}
	return stretch->end;
}

static enum sight sight_of(const struct stretch *stretch, const struct group *fault, size_t leaf)
{
	for (size_t i = fault->first; i < leaf; i++) {
		const struct event *event = stretch_event(stretch, i);

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

void calls_excuse(struct stretch *stretch, struct group *fault)
{
	fault->free_marks = true;
	for (size_t i = fault->first; i <= fault->last; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (event->task == fault->task && event->kind == EVENT_MARK_DIRTY)
			stretch->excused[i - stretch->first] = true;
	}
}

/* A fault beside the call, with the page that it mapped, or false. */
static bool is_beside(const struct stretch *stretch, const struct group *call,
		      const struct group *fault, size_t *leaf)
{
	if (fault->kind != GROUP_FAULT || !fault->changed || fault->last < call->first ||
	    fault->first > call->last)
		return false;
	*leaf = leaf_of(stretch, fault);
	return *leaf < stretch->end &&
	       is_in_slot(stretch_event(stretch, call->first), stretch_event(stretch, *leaf));
}

/*
 * The first step of the call that lies above the entry: the call goes up the slot and has
 * passed the entry by then. Its last step if the entry lies above all; the call itself if it
 * has no steps.
 */
static size_t step_past(const struct stretch *stretch, size_t call, size_t leaf)
{
	const struct group *group = &stretch->groups[call];
	size_t found = call;

	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = stretch_event(stretch, i);
		size_t owner = stretch->owner[i - stretch->first];

		if (event->task != group->task || event->kind != EVENT_SPTE_CHANGED || !owner)
			continue;
		found = owner - 1;
		if (event->u.changed.gfn > stretch_event(stretch, leaf)->u.changed.gfn)
			break;
	}
	return found;
}

static bool is_changed_later(const struct stretch *stretch, const struct group *call, size_t leaf)
{
	for (size_t i = call->first; i <= call->last; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (event->task == call->task && event->kind == EVENT_SPTE_CHANGED &&
		    step_same_entry(event, stretch_event(stretch, leaf)) &&
		    stretch->rank[i - stretch->first] > stretch->rank[leaf - stretch->first])
			return true;
	}
	return false;
}

/* Orders the faults whose side does not depend on that of others. */
static int order_plainly(struct stretch *stretch, size_t call, enum sight new_flag)
{
	size_t leaf;
	int err = 0;

	for (size_t g = 0; g < stretch->group_count && !err; g++) {
		struct group *fault = &stretch->groups[g];

		if (!is_beside(stretch, &stretch->groups[call], fault, &leaf))
			continue;
		if (spte_is_present(stretch_event(stretch, leaf)->u.changed.old_spte))
			calls_excuse(stretch, fault);
		else if (sight_of(stretch, fault, leaf) != new_flag)
			err = order_require(stretch, g, call);
		else if (!is_changed_later(stretch, &stretch->groups[call], leaf))
			err = order_require(stretch, step_past(stretch, call, leaf), g);
	}
	return err;
}

/* Marks the groups that come after a step of the call. */
static void mark_later(const struct stretch *stretch, const struct group *call, bool *later)
{
	bool more = true;

	for (size_t g = 0; g < stretch->group_count; g++)
		later[g] = stretch->groups[g].kind == GROUP_STEP &&
			   stretch->groups[g].task == call->task &&
			   call->first <= stretch->groups[g].first &&
			   stretch->groups[g].first <= call->last;
	while (more) {
		more = false;
		for (size_t e = 0; e < stretch->edge_count; e++) {
			if (!later[stretch->edges[e].before] || later[stretch->edges[e].after])
				continue;
			later[stretch->edges[e].after] = true;
			more = true;
		}
	}
}

/*
 * Orders the faults that saw the new flag and whose entry the call then changed. They come
 * behind one of its steps, or before the first. The second has no moment here, because the
 * call begins to change entries when it is made: such a fault is played before the call.
 */
static int order_changed(struct stretch *stretch, size_t call, enum sight new_flag, bool *later)
{
	size_t leaf;
	int err = 0;

	mark_later(stretch, &stretch->groups[call], later);
	for (size_t g = 0; g < stretch->group_count && !err; g++) {
		struct group *fault = &stretch->groups[g];

		if (later[g] || !is_beside(stretch, &stretch->groups[call], fault, &leaf) ||
		    spte_is_present(stretch_event(stretch, leaf)->u.changed.old_spte) ||
		    sight_of(stretch, fault, leaf) != new_flag ||
		    !is_changed_later(stretch, &stretch->groups[call], leaf))
			continue;
		err = order_require(stretch, g, call);
		calls_excuse(stretch, fault);
	}
	return err;
}

static int order_faults(struct stretch *stretch, size_t call, enum sight new_flag)
{
	bool *later = calloc(stretch->group_count, sizeof(*later));
	int err = later ? order_plainly(stretch, call, new_flag) : -ENOMEM;

	if (!err)
		err = order_changed(stretch, call, new_flag, later);
	free(later);
	return err;
}

int calls_order(struct stretch *stretch)
{
	int err = 0;

	for (size_t g = 0; g < stretch->group_count && !err; g++) {
		struct group *group = &stretch->groups[g];
		const struct event *event = stretch_event(stretch, group->first);

		if (event->kind == EVENT_REGION)
			err = order_faults(stretch, g,
					   event->u.region.flags & REGION_LOG ? SAW_ON : SAW_OFF);
		else if (group->kind == GROUP_FAULT && !group->changed)
			calls_excuse(stretch, group);
	}
	return err;
}
