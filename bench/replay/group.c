/*
 * Which events of a parallel stretch are one fault, or one host call, and at which
 * of them it is played: where it first changed an entry, else where the fast path
 * fixed one, else at its return (a host call: where it was made).
 *
 * The kernel prints a change after it made it, so between two vCPUs the later one
 * can be printed first: the changes of one entry are ranked so that each finds what
 * the one before it left, as far as they can be.
 */
#include "parallel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_RETRY 1
#define SUPPRESS_VE  ((uint64_t)1 << 63)
#define FROZEN_BITS  0x5a0

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

	g->changed |= maps(event_at(parallel, i));

	g->last = i;
	if (!g->placed)
		g->place = i;
	g->placed = true;
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

/* Not present, or frozen and by now not present: all the same. */
static bool is_empty(uint64_t spte)
{
	spte &= ~SUPPRESS_VE;
	return spte == 0 || spte == FROZEN_BITS;
}

/* Can an entry's old value be what another change left? The guest's own flags may differ. */
static bool follows(const struct parallel *parallel, uint64_t new_spte, uint64_t old_spte)
{
	uint64_t flags = accessed_flag(parallel->replay) | dirty_flag(parallel->replay);

	if (spte_is_present(new_spte) && spte_is_present(old_spte))
		return ((new_spte ^ old_spte) & ~flags) == 0;
	return new_spte == old_spte || (is_empty(new_spte) && is_empty(old_spte));
}

/* The changes of one entry in the order of their lines, and in an order in which they fit. */
struct chain {
	size_t *lines, *fitting;
	size_t count;
};

static void collect_chain(const struct parallel *parallel, size_t first, struct chain *chain)
{
	chain->count = 0;
	for (size_t i = first; i < parallel->end; i++) {
		if (event_at(parallel, i)->kind == EVENT_SPTE_CHANGED &&
		    same_entry(event_at(parallel, first), event_at(parallel, i)))
			chain->lines[chain->count++] = i;
	}
}

/* Takes the first line that fits `spte`, or else the first one. */
static size_t take_line(const struct parallel *parallel, struct chain *chain, size_t taken,
			uint64_t spte)
{
	size_t left = chain->count - taken, at = 0, line;

	while (at < left &&
	       !follows(parallel, spte, event_at(parallel, chain->lines[at])->u.changed.old_spte))
		at++;
	if (at == left)
		at = 0;
	line = chain->lines[at];
	memmove(&chain->lines[at], &chain->lines[at + 1], (left - at - 1) * sizeof(line));
	return line;
}

/* A change gets its own rank, but a lower one than those that follow it. */
static void rank_chain(struct parallel *parallel, struct chain *chain)
{
	uint64_t spte = entry_now(parallel->replay, event_at(parallel, chain->lines[0]));
	size_t rank = SIZE_MAX;

	for (size_t i = 0; i < chain->count; i++) {
		chain->fitting[i] = take_line(parallel, chain, i, spte);
		spte = event_at(parallel, chain->fitting[i])->u.changed.new_spte;
	}
	for (size_t i = chain->count; i-- > 0;) {
		size_t own = rank_of(parallel, chain->fitting[i]);

		rank = rank <= own ? rank - 1 : own;
		parallel->rank[chain->fitting[i] - parallel->first] = rank;
	}
}

static int rank_events(struct parallel *parallel)
{
	size_t count = parallel->end - parallel->first + 1;
	struct chain chain = {calloc(count, sizeof(size_t)), calloc(count, sizeof(size_t)), 0};
	int err = 0;

	for (size_t i = parallel->first; i < parallel->end && chain.lines && chain.fitting; i++) {
		if (parallel->rank[i - parallel->first])
			continue;
		parallel->rank[i - parallel->first] = rank_of(parallel, i);
		if (event_at(parallel, i)->kind == EVENT_SPTE_CHANGED) {
			collect_chain(parallel, i, &chain);
			rank_chain(parallel, &chain);
		}
	}
	if (!chain.lines || !chain.fitting)
		err = -ENOMEM;
	free(chain.lines);
	free(chain.fitting);
	return err;
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
	    find_groups(parallel) || rank_events(parallel))
		return -ENOMEM;
	for (size_t g = 0; g < parallel->group_count; g++)
		parallel->order[g] = &parallel->groups[g];
	qsort_r(parallel->order, parallel->group_count, sizeof(struct group *), by_rank, parallel);
	return 0;
}
