/*
 * Which events of a parallel stretch are one fault, or one host call, and at which
 * of them it is played: where it first changed an entry, else where the fast path
 * fixed one, else at its return (a host call: where it was made).
 *
 * The kernel prints a change after it made it, so between two vCPUs the later one
 * can be printed first. Two neighbours of one entry that fit only the other way
 * round change their ranks.
 */
#include "parallel.h"

#include <errno.h>
#include <stdlib.h>

#define RESULT_RETRY 1

/* Of a task: the groups it is in, index + 1, or 0. */
struct open_groups {
	size_t fault, host;
};

static size_t open_group(struct parallel *parallel, enum group_kind kind, size_t i)
{
	struct group *group = &parallel->groups[parallel->group_count++];

	*group = (struct group){.kind = kind,
				.first = i,
				.last = i,
				.place = i,
				.task = event_at(parallel, i)->task};
	return parallel->group_count;
}

static void place(struct parallel *parallel, size_t group, size_t i)
{
	struct group *g = &parallel->groups[group - 1];

	g->last = i;
	if (!g->placed)
		g->place = i;
	g->placed = true;
}

static void close_fault(struct parallel *parallel, struct open_groups *open, size_t i)
{
	struct group *fault = &parallel->groups[open->fault - 1];

	fault->retried = event_at(parallel, i)->u.ret.value == RESULT_RETRY;
	fault->last = i;
	if (!fault->placed)
		place(parallel, open->fault, i);
	open->fault = open->host = 0;
}

/* Any other event of the task ends its host call; a marker ends its fault, too. */
static void other_event(struct parallel *parallel, struct open_groups *open, size_t i)
{
	open->host = 0;
	if (open->fault)
		parallel->groups[open->fault - 1].last = i;
	if (event_is_marker(event_at(parallel, i)))
		open->fault = 0;
}

static void group_event(struct parallel *parallel, struct open_groups *open, size_t i)
{
	const struct event *event = event_at(parallel, i);

	switch (event->kind) {
	case EVENT_PAGE_FAULT:
	case EVENT_MISCONFIG:
		open->fault = open_group(parallel, GROUP_FAULT, i);
		open->host = 0;
		break;
	case EVENT_UNMAP:
	case EVENT_REGION:
		open->host = open_group(parallel, GROUP_HOST, i);
		break;
	case EVENT_SPTE_CHANGED:
	case EVENT_ZAP_ALL_FAST:
		if (open->host || open->fault)
			place(parallel, open->host ? open->host : open->fault, i);
		break;
	case EVENT_FAST_PAGE_FAULT:
		if (open->fault && event->u.fast.fixed)
			place(parallel, open->fault, i);
		break;
	case EVENT_RETURN:
		if (open->fault)
			close_fault(parallel, open, i);
		break;
	case EVENT_FLUSH:
	case EVENT_ZAP_PAGE:
		break;
	default:
		other_event(parallel, open, i);
	}
}

static size_t tasks_of(const struct parallel *parallel)
{
	size_t tasks = 0;

	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (event_at(parallel, i)->task >= tasks)
			tasks = event_at(parallel, i)->task + 1;
	}
	return tasks;
}

static bool is_beside_all_slots(const struct parallel *parallel, const struct event *event)
{
	return event->kind == EVENT_UNMAP &&
	       !script_hits_slot(&parallel->replay->script, event->u.range.start,
				 event->u.range.end);
}

static int find_groups(struct parallel *parallel)
{
	struct open_groups *open = calloc(tasks_of(parallel) + 1, sizeof(*open));

	if (!open)
		return -ENOMEM;
	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (!is_beside_all_slots(parallel, event_at(parallel, i)))
			group_event(parallel, &open[event_at(parallel, i)->task], i);
	}
	free(open);
	return 0;
}

/* Can an entry's old value be what another change left? The guest's own flags may differ. */
static bool follows(const struct parallel *parallel, uint64_t new_spte, uint64_t old_spte)
{
	uint64_t flags = accessed_flag(parallel->replay) | dirty_flag(parallel->replay);

	if (spte_is_present(new_spte) && spte_is_present(old_spte))
		return ((new_spte ^ old_spte) & ~flags) == 0;
	return new_spte == old_spte;
}

static bool are_swapped(const struct parallel *parallel, size_t i, size_t j)
{
	const struct event *a = event_at(parallel, i), *b = event_at(parallel, j);

	return a->task != b->task &&
	       !follows(parallel, a->u.changed.new_spte, b->u.changed.old_spte) &&
	       follows(parallel, b->u.changed.new_spte, a->u.changed.old_spte);
}

static void rank_events(struct parallel *parallel)
{
	for (size_t i = parallel->first; i < parallel->end; i++)
		parallel->rank[i - parallel->first] = rank_of(parallel, i);
	for (size_t i = parallel->first; i < parallel->end; i++) {
		const struct event *event = event_at(parallel, i);
		size_t j = i + 1;

		if (event->kind != EVENT_SPTE_CHANGED)
			continue;
		while (j < parallel->end && !(event_at(parallel, j)->kind == EVENT_SPTE_CHANGED &&
					      same_entry(event, event_at(parallel, j))))
			j++;
		if (j < parallel->end && are_swapped(parallel, i, j))
			parallel->rank[j - parallel->first] = rank_of(parallel, i) - 1;
	}
}

static int by_rank(const void *a, const void *b, void *context)
{
	const struct parallel *parallel = context;
	const struct group *one = *(struct group *const *)a, *other = *(struct group *const *)b;
	size_t rank = parallel->rank[one->place - parallel->first];
	size_t other_rank = parallel->rank[other->place - parallel->first];

	return rank < other_rank ? -1 : rank > other_rank;
}

int group_events(struct parallel *parallel)
{
	size_t count = parallel->end - parallel->first + 1;

	parallel->groups = calloc(count, sizeof(*parallel->groups));
	parallel->order = calloc(count, sizeof(struct group *));
	parallel->rank = calloc(count, sizeof(*parallel->rank));
	parallel->met = calloc(count, sizeof(*parallel->met));
	if (!parallel->groups || !parallel->order || !parallel->rank || !parallel->met ||
	    find_groups(parallel))
		return -ENOMEM;
	rank_events(parallel);
	for (size_t g = 0; g < parallel->group_count; g++)
		parallel->order[g] = &parallel->groups[g];
	qsort_r(parallel->order, parallel->group_count, sizeof(struct group *), by_rank, parallel);
	return 0;
}
