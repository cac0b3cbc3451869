/*
 * Which events of a parallel stretch are one fault, or one host call, and at which
 * of them it is played: where it first changed an entry, else where the fast path
 * fixed one, else at its return (a host call: where it was made).
 *
 * In which order they are played is said in chain.c.
 */
#include "parallel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_RETRY 1

/* Of a task: the groups it is in, index + 1, or 0. */
struct open_groups {
	size_t fault, host;
	bool call; /* the host's is a call: its result ends it, and nothing else does */
};

static size_t open_group(struct parallel *parallel, enum group_kind kind, size_t i)
{
	struct group *group = &parallel->groups[parallel->group_count++];

	*group = (struct group){.kind = kind,
				.first = i,
				.last = i,
				.place = i,
				.task = event_at(parallel, i)->task};
	parallel->owner[i - parallel->first] = parallel->group_count;
	return parallel->group_count;
}

/* Whoever comes first links the tables: what a fault did itself is what it mapped. */
static bool maps(const struct event *event)
{
	return event->kind == EVENT_FAST_PAGE_FAULT ||
	       (event->kind == EVENT_SPTE_CHANGED &&
		(!spte_is_present(event->u.changed.new_spte) ||
		 spte_is_leaf(event->u.changed.new_spte, event->u.changed.level)));
}

static void place(struct parallel *parallel, size_t group, size_t i)
{
	struct group *g = &parallel->groups[group - 1];

	parallel->owner[i - parallel->first] = group;
	g->changed |= maps(event_at(parallel, i));
	g->slow |= event_at(parallel, i)->kind == EVENT_SPTE_CHANGED;
	g->last = i;
	if (!g->placed)
		g->place = i;
	g->placed = true;
}

/* Calls that change a slot go over its entries without excluding faults: between two, one may come.
 */
static void place_call(struct parallel *parallel, size_t group, size_t i)
{
	place(parallel, group, i);
	if (event_at(parallel, i)->kind == EVENT_SPTE_CHANGED &&
	    event_at(parallel, parallel->groups[group - 1].first)->kind == EVENT_REGION)
		open_group(parallel, GROUP_STEP, i);
}

/* RET_PF_FIXED moved when 6.12 gave write protection a code of its own. */
static int64_t result_fixed(const struct replay *replay)
{
	return replay->settings.value[SETTING_BASELINE] == REPLAY_6_1 ? 4 : 5;
}

static void close_fault(struct parallel *parallel, struct open_groups *open, size_t i)
{
	struct group *fault = &parallel->groups[open->fault - 1];
	int64_t result = event_at(parallel, i)->u.ret.value;

	fault->changed |= fault->placed && result == result_fixed(parallel->replay);
	fault->changed &= result != RESULT_RETRY;
	fault->last = i;
	if (!fault->placed)
		place(parallel, open->fault, i);
	open->fault = open->host = 0;
}

/* Any other event of the task ends its unmap; a marker ends its call or its fault, too. */
static void other_event(struct parallel *parallel, struct open_groups *open, size_t i)
{
	bool marker = event_is_marker(event_at(parallel, i));

	if (open->host && open->call)
		parallel->groups[open->host - 1].last = i;
	if (!open->call || marker)
		open->host = 0;
	if (open->fault)
		parallel->groups[open->fault - 1].last = i;
	if (marker)
		open->fault = 0;
}

static void open_host(struct parallel *parallel, struct open_groups *open, size_t i)
{
	open->host = open_group(parallel, GROUP_HOST, i);
	open->call = event_at(parallel, i)->kind != EVENT_UNMAP;
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
	case EVENT_GET_LOG:
	case EVENT_CLEAR_LOG:
		open_host(parallel, open, i);
		break;
	case EVENT_SPTE_CHANGED:
	case EVENT_ZAP_ALL_FAST:
		if (open->host)
			place_call(parallel, open->host, i);
		else if (open->fault)
			place(parallel, open->fault, i);
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

static int by_rank(const void *a, const void *b, void *context)
{
	const struct group *one = *(struct group *const *)a, *other = *(struct group *const *)b;

	(void)context;
	if (one->rank != other->rank)
		return one->rank < other->rank ? -1 : 1;
	return one->place < other->place ? -1 : one->place > other->place;
}

int group_events(struct parallel *parallel)
{
	size_t count = parallel->end - parallel->first + 1;

	parallel->groups = calloc(count, sizeof(*parallel->groups));
	parallel->order = calloc(count, sizeof(struct group *));
	parallel->rank = calloc(count, sizeof(*parallel->rank));
	parallel->owner = calloc(count, sizeof(*parallel->owner));
	parallel->met = calloc(count, sizeof(*parallel->met));
	parallel->excused = calloc(count, sizeof(*parallel->excused));
	if (!parallel->groups || !parallel->order || !parallel->rank || !parallel->owner ||
	    !parallel->met || !parallel->excused || find_groups(parallel) || chain_groups(parallel))
		return -ENOMEM;
	for (size_t g = 0; g < parallel->group_count; g++)
		parallel->order[g] = &parallel->groups[g];
	qsort_r(parallel->order, parallel->group_count, sizeof(struct group *), by_rank, parallel);
	return 0;
}
