/*
 * In which order the faults and calls of a parallel stretch are played. The kernel
 * prints a change after it made it, and the many changes of one call one after the
 * other while vCPUs go on; so the order of the lines is not that of the changes.
 *
 * - The steps of one entry (its changes, and repairs by the fast path) are put into an
 *   order in which each finds what the one before it left, as far as they can be.
 * - Who made the one comes before who made the other.
 * - What one task did stays in the order in which it did it.
 * - Else the lines decide.
 */
#include "parallel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUPPRESS_VE ((uint64_t)1 << 63)
#define FROZEN_BITS 0x5a0
#define LARGE	    ((uint64_t)1 << 7)
#define PFERR_WRITE ((uint64_t)1 << 1)

/*
 * The tracepoint reads the entry again (mmutrace.h): what it prints as new may be what
 * somebody else has made of it since. A repair for a write gave W, and no more.
 */
uint64_t chain_repaired(const struct parallel *parallel, const struct event *event)
{
	uint64_t flags = accessed_flag(parallel->replay) | dirty_flag(parallel->replay);
	uint64_t old = event->u.fast.old_spte, new = event->u.fast.new_spte;

	if (!(event->u.fast.flags & PFERR_WRITE))
		return new;
	if (((new ^ old) & ~(flags | ENTRY_WRITE)) == 0 || !spte_is_present(new))
		return old | ENTRY_WRITE;
	return new;
}

bool chain_step(const struct parallel *parallel, const struct event *event, struct entry_step *step)
{
	if (event->kind == EVENT_SPTE_CHANGED) {
		*step = (struct entry_step){event->u.changed.as_id, event->u.changed.level,
					    event->u.changed.gfn, event->u.changed.old_spte,
					    event->u.changed.new_spte};
		return true;
	}
	if (event->kind != EVENT_FAST_PAGE_FAULT || !event->u.fast.fixed)
		return false;
	*step = (struct entry_step){.level = event->u.fast.old_spte & LARGE ? 2 : 1,
				    .old_spte = event->u.fast.old_spte,
				    .new_spte = chain_repaired(parallel, event)};
	step->gfn = event->u.fast.gva >> TDP_PAGE_SHIFT & ~(tdp_level_pages(step->level) - 1);
	return true;
}

bool chain_same(const struct entry_step *a, const struct entry_step *b)
{
	return a->as_id == b->as_id && a->level == b->level && a->gfn == b->gfn;
}

/* Did the entry ever have this value? Then somebody may have given it the value in between. */
bool chain_passes(const struct parallel *parallel, const struct event *repair)
{
	uint64_t value = repair->u.fast.new_spte;
	struct entry_step step, other;

	if (!chain_step(parallel, repair, &step) || value == step.new_spte)
		return true;
	for (size_t i = parallel->first; i < parallel->end; i++) {
		if (event_at(parallel, i) != repair &&
		    chain_step(parallel, event_at(parallel, i), &other) &&
		    chain_same(&step, &other) &&
		    (other.old_spte == value || other.new_spte == value))
			return true;
	}
	return false;
}

/* Not present, or frozen and by now not present: all the same. */
static bool is_empty(uint64_t spte)
{
	spte &= ~SUPPRESS_VE;
	return spte == 0 || spte == FROZEN_BITS;
}

/* Can an entry's old value be what another change left? The CPU sets flags, and clears none. */
static bool follows(const struct parallel *parallel, uint64_t new_spte, uint64_t old_spte)
{
	uint64_t flags = accessed_flag(parallel->replay) | dirty_flag(parallel->replay);

	if (spte_is_present(new_spte) && spte_is_present(old_spte))
		return ((new_spte ^ old_spte) & ~flags) == 0 && !(new_spte & ~old_spte & flags);
	return new_spte == old_spte || (is_empty(new_spte) && is_empty(old_spte));
}

/* The steps of one entry in the order of their lines, and in an order in which they fit. */
struct chain {
	size_t *lines, *fitting;
	size_t count;
};

static void collect_chain(const struct parallel *parallel, size_t first, struct chain *chain)
{
	struct entry_step key, step;

	chain_step(parallel, event_at(parallel, first), &key);
	chain->count = 0;
	for (size_t i = first; i < parallel->end; i++) {
		if (chain_step(parallel, event_at(parallel, i), &step) && chain_same(&key, &step))
			chain->lines[chain->count++] = i;
	}
}

/* Is there, among those left, one that leaves what the one at `at` finds? */
static bool is_led_to(const struct parallel *parallel, const struct chain *chain, size_t left,
		      size_t at)
{
	struct entry_step step, other;

	chain_step(parallel, event_at(parallel, chain->lines[at]), &step);
	for (size_t i = 0; i < left; i++) {
		chain_step(parallel, event_at(parallel, chain->lines[i]), &other);
		if (i != at && follows(parallel, other.new_spte, step.old_spte))
			return true;
	}
	return false;
}

/*
 * The first line that fits `spte`. Where none does (the table came of a split, whose
 * entries have no lines), one to which no other leads; or else the first.
 */
static size_t next_line(const struct parallel *parallel, const struct chain *chain, size_t left,
			uint64_t spte)
{
	struct entry_step step;

	for (size_t i = 0; i < left; i++) {
		chain_step(parallel, event_at(parallel, chain->lines[i]), &step);
		if (follows(parallel, spte, step.old_spte))
			return i;
	}
	for (size_t i = 0; i < left; i++) {
		if (!is_led_to(parallel, chain, left, i))
			return i;
	}
	return 0;
}

static size_t take_line(const struct parallel *parallel, struct chain *chain, size_t taken,
			uint64_t spte)
{
	size_t left = chain->count - taken, at = next_line(parallel, chain, left, spte);
	size_t line = chain->lines[at];

	memmove(&chain->lines[at], &chain->lines[at + 1], (left - at - 1) * sizeof(line));
	return line;
}

bool chain_rewrites(const struct parallel *parallel, const struct event *event)
{
	uint64_t flag = dirty_flag(parallel->replay), old = event->u.changed.old_spte;

	return event->kind == EVENT_SPTE_CHANGED && spte_is_leaf(old, event->u.changed.level) &&
	       (old & (flag | ENTRY_WRITE)) == (flag | ENTRY_WRITE) &&
	       event->u.changed.new_spte == (old & ~flag);
}

/* What the entry's next change, in or behind the stretch, finds. */
static uint64_t found_next(const struct parallel *parallel, const struct chain *chain, size_t i)
{
	const struct trace *trace = parallel->replay->trace;
	struct entry_step key, step;

	chain_step(parallel, event_at(parallel, chain->fitting[i]), &key);
	if (i + 1 < chain->count) {
		chain_step(parallel, event_at(parallel, chain->fitting[i + 1]), &step);
		return step.old_spte;
	}
	for (size_t at = parallel->end; at < trace->count; at++) {
		if (chain_step(parallel, &trace->events[at], &step) && chain_same(&key, &step))
			return step.old_spte;
	}
	return key.old_spte;
}

/* Did the group do more than this, and than linking tables, which anybody does? */
static bool does_more(const struct parallel *parallel, const struct group *group, size_t line)
{
	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = event_at(parallel, i);

		if (i != line && event->task == group->task && event->kind == EVENT_SPTE_CHANGED &&
		    (spte_is_present(event->u.changed.old_spte) ||
		     spte_is_leaf(event->u.changed.new_spte, event->u.changed.level)))
			return true;
	}
	return false;
}

/*
 * A rewrite after which the page was written once more leaves nothing behind. By the time
 * that its line was printed it could be long past, and the write as well: it is left out.
 */
static void excuse_rewrite(struct parallel *parallel, const struct chain *chain, size_t i,
			   uint64_t spte)
{
	size_t line = chain->fitting[i], owner = parallel->owner[line - parallel->first];
	const struct event *event = event_at(parallel, line);

	if (!owner || !chain_rewrites(parallel, event) ||
	    !follows(parallel, spte, event->u.changed.old_spte) ||
	    !(found_next(parallel, chain, i) & dirty_flag(parallel->replay)))
		return;
	parallel->excused[line - parallel->first] = true;
	if (!does_more(parallel, &parallel->groups[owner - 1], line))
		parallel->groups[owner - 1].changed = false;
}

int chain_require(struct parallel *parallel, size_t before, size_t after)
{
	size_t room = parallel->edge_room ? 2 * parallel->edge_room : 256;
	struct edge *edges = parallel->edges;

	if (before == after)
		return 0;
	if (parallel->edge_count == parallel->edge_room) {
		edges = realloc(edges, room * sizeof(*edges));
		if (!edges)
			return -ENOMEM;
		parallel->edges = edges;
		parallel->edge_room = room;
	}
	edges[parallel->edge_count++] = (struct edge){before, after};
	return 0;
}

/* Puts the chain's lines into an order in which they fit what is there now, and each other. */
static int fit_chain(struct parallel *parallel, struct chain *chain, uint64_t spte)
{
	size_t before = 0, owner;
	struct entry_step step;
	int err = 0;

	for (size_t i = 0; i < chain->count && !err; i++) {
		chain->fitting[i] = take_line(parallel, chain, i, spte);
		chain_step(parallel, event_at(parallel, chain->fitting[i]), &step);
		spte = step.new_spte;
		owner = parallel->owner[chain->fitting[i] - parallel->first];
		if (before && owner)
			err = chain_require(parallel, before - 1, owner - 1);
		before = owner;
	}
	return err;
}

static void excuse_rewrites(struct parallel *parallel, const struct chain *chain, uint64_t spte)
{
	struct entry_step step;

	for (size_t i = 0; i < chain->count; i++) {
		excuse_rewrite(parallel, chain, i, spte);
		chain_step(parallel, event_at(parallel, chain->fitting[i]), &step);
		spte = step.new_spte;
	}
}

/* A step gets its own rank, but a lower one than those that follow it. */
static int rank_chain(struct parallel *parallel, struct chain *chain)
{
	size_t rank = SIZE_MAX;
	struct entry_step step;
	uint64_t spte;
	int err;

	chain_step(parallel, event_at(parallel, chain->lines[0]), &step);
	spte = entry_now(parallel->replay, &step);
	err = fit_chain(parallel, chain, spte);
	if (err)
		return err;
	excuse_rewrites(parallel, chain, spte);
	for (size_t i = chain->count; i-- > 0;) {
		size_t own = rank_of(parallel, chain->fitting[i]);

		rank = rank <= own ? rank - 1 : own;
		parallel->rank[chain->fitting[i] - parallel->first] = rank;
	}
	return 0;
}

static int rank_events(struct parallel *parallel)
{
	size_t count = parallel->end - parallel->first + 1;
	struct chain chain = {calloc(count, sizeof(size_t)), calloc(count, sizeof(size_t)), 0};
	int err = chain.lines && chain.fitting ? 0 : -ENOMEM;
	struct entry_step step;

	for (size_t i = parallel->first; i < parallel->end && !err; i++) {
		if (parallel->rank[i - parallel->first])
			continue;
		parallel->rank[i - parallel->first] = rank_of(parallel, i);
		if (chain_step(parallel, event_at(parallel, i), &step)) {
			collect_chain(parallel, i, &chain);
			err = rank_chain(parallel, &chain);
		}
	}
	free(chain.lines);
	free(chain.fitting);
	return err;
}

/* The groups of one task follow each other; those that are not played do not count. */
static int order_tasks(struct parallel *parallel)
{
	size_t last[TASKS_MAX] = {0};
	int err = 0;

	for (size_t g = 0; g < parallel->group_count && !err; g++) {
		struct group *group = &parallel->groups[g];

		if (group->kind == GROUP_FAULT && !group->changed)
			continue;
		if (last[group->task])
			err = chain_require(parallel, last[group->task] - 1, g);
		last[group->task] = g + 1;
	}
	return err;
}

/*
 * Whoever must come before another gets a lower rank. Were there a circle, the lines
 * would contradict each other: then what is left of it stands as the lines do.
 */
static void lower_ranks(struct parallel *parallel)
{
	bool lowered = true;

	for (size_t round = 0; lowered && round < parallel->group_count; round++) {
		lowered = false;
		for (size_t e = 0; e < parallel->edge_count; e++) {
			struct group *before = &parallel->groups[parallel->edges[e].before];
			struct group *after = &parallel->groups[parallel->edges[e].after];

			if (before->rank < after->rank)
				continue;
			before->rank = after->rank - 1;
			lowered = true;
		}
	}
}

int chain_groups(struct parallel *parallel)
{
	int err = rank_events(parallel);

	for (size_t g = 0; g < parallel->group_count; g++)
		parallel->groups[g].rank = rank_of(parallel, parallel->groups[g].place);
	if (!err)
		err = order_tasks(parallel);
	if (!err)
		err = calls_order(parallel);
	if (!err)
		lower_ranks(parallel);
	return err;
}
