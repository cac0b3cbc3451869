#include "chain.h"

#include "mapping.h"
#include "order.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The steps of one entry in the order of their lines, and in an order in which they fit. */
struct chain {
	size_t *lines, *fitting;
	size_t count;
};

static void collect_chain(const struct stretch *stretch, size_t first, struct chain *chain)
{
	struct entry_step key, step;

	step_of(stretch, stretch_event(stretch, first), &key);
	chain->count = 0;
	for (size_t i = first; i < stretch->end; i++) {
		if (step_of(stretch, stretch_event(stretch, i), &step) && step_same(&key, &step))
			chain->lines[chain->count++] = i;
	}
}

/* Does another line among those left leave what the one at `at` finds? */
static bool is_led_to(const struct stretch *stretch, const struct chain *chain, size_t left,
		      size_t at)
{
	struct entry_step step, other;

	step_of(stretch, stretch_event(stretch, chain->lines[at]), &step);
	for (size_t i = 0; i < left; i++) {
		step_of(stretch, stretch_event(stretch, chain->lines[i]), &other);
		if (i != at && step_follows(stretch, other.new_spte, step.old_spte))
			return true;
	}
	return false;
}

/*
 * The first line that fits `spte`. If none does (the table came of a split, which prints no
 * lines for its entries), one to which no other line leads, or else the first.
 */
static size_t next_line(const struct stretch *stretch, const struct chain *chain, size_t left,
			uint64_t spte)
{
	struct entry_step step;

	for (size_t i = 0; i < left; i++) {
		step_of(stretch, stretch_event(stretch, chain->lines[i]), &step);
		if (step_follows(stretch, spte, step.old_spte))
			return i;
	}
	for (size_t i = 0; i < left; i++) {
		if (!is_led_to(stretch, chain, left, i))
			return i;
	}
	return 0;
}

static size_t take_line(const struct stretch *stretch, struct chain *chain, size_t taken,
			uint64_t spte)
{
	size_t left = chain->count - taken, at = next_line(stretch, chain, left, spte);
	size_t line = chain->lines[at];

	memmove(&chain->lines[at], &chain->lines[at + 1], (left - at - 1) * sizeof(line));
	return line;
}

/* The value that the entry's next change, in or behind the stretch, finds. */
static uint64_t found_next(const struct stretch *stretch, const struct chain *chain, size_t i)
{
	const struct trace *trace = stretch->replay->trace;
	struct entry_step key, step;

	step_of(stretch, stretch_event(stretch, chain->fitting[i]), &key);
	if (i + 1 < chain->count) {
		step_of(stretch, stretch_event(stretch, chain->fitting[i + 1]), &step);
		return step.old_spte;
	}
	for (size_t at = stretch->end; at < trace->count; at++) {
		if (step_of(stretch, &trace->events[at], &step) && step_same(&key, &step))
			return step.old_spte;
	}
	return key.old_spte;
}

/* Did the group do more than this and link tables? Any fault links missing tables. */
static bool does_more(const struct stretch *stretch, const struct group *group, size_t line)
{
	for (size_t i = group->first; i <= group->last; i++) {
		const struct event *event = stretch_event(stretch, i);

		if (i != line && event->task == group->task && event->kind == EVENT_SPTE_CHANGED &&
		    (spte_is_present(event->u.changed.old_spte) ||
		     spte_is_leaf(event->u.changed.new_spte, event->u.changed.level)))
			return true;
	}
	return false;
}

/*
 * A rewrite after which the page was written once more leaves nothing behind. When its line
 * was printed, it could be long past, and the write as well: it is left out.
 */
static void excuse_rewrite(struct stretch *stretch, const struct chain *chain, size_t i,
			   uint64_t spte)
{
	size_t line = chain->fitting[i], owner = stretch->owner[line - stretch->first];
	const struct event *event = stretch_event(stretch, line);

	if (!owner || !step_rewrites(stretch, event) ||
	    !step_follows(stretch, spte, event->u.changed.old_spte) ||
	    !(found_next(stretch, chain, i) & stretch->replay->bits->dirty))
		return;
	stretch->excused[line - stretch->first] = true;
	if (!does_more(stretch, &stretch->groups[owner - 1], line))
		stretch->groups[owner - 1].changed = false;
}

/* Orders the chain's lines so that they fit the entry as it is now, and each other. */
static int fit_chain(struct stretch *stretch, struct chain *chain, uint64_t spte)
{
	size_t before = 0, owner;
	struct entry_step step;
	int err = 0;

	for (size_t i = 0; i < chain->count && !err; i++) {
		chain->fitting[i] = take_line(stretch, chain, i, spte);
		step_of(stretch, stretch_event(stretch, chain->fitting[i]), &step);
		spte = step.new_spte;
		owner = stretch->owner[chain->fitting[i] - stretch->first];
		if (before && owner)
			err = order_require(stretch, before - 1, owner - 1);
		before = owner;
	}
	return err;
}

static void excuse_rewrites(struct stretch *stretch, const struct chain *chain, uint64_t spte)
{
	struct entry_step step;

	for (size_t i = 0; i < chain->count; i++) {
		excuse_rewrite(stretch, chain, i, spte);
		step_of(stretch, stretch_event(stretch, chain->fitting[i]), &step);
		spte = step.new_spte;
	}
}

/* A step gets the rank of its line, or a lower one so that it comes before what follows it. */
static int rank_chain(struct stretch *stretch, struct chain *chain)
{
	size_t rank = SIZE_MAX;
	struct entry_step step;
	uint64_t spte;
	int err;

	step_of(stretch, stretch_event(stretch, chain->lines[0]), &step);
	spte = mapping_entry(stretch->replay, step.as_id, step.gfn, step.level);
	err = fit_chain(stretch, chain, spte);
	if (err)
		return err;
	excuse_rewrites(stretch, chain, spte);
	for (size_t i = chain->count; i-- > 0;) {
		size_t own = stretch_rank(stretch, chain->fitting[i]);

		rank = rank <= own ? rank - 1 : own;
		stretch->rank[chain->fitting[i] - stretch->first] = rank;
	}
	return 0;
}

int chain_rank_events(struct stretch *stretch)
{
	size_t count = stretch->end - stretch->first + 1;
	struct chain chain = {calloc(count, sizeof(size_t)), calloc(count, sizeof(size_t)), 0};
	int err = chain.lines && chain.fitting ? 0 : -ENOMEM;
	struct entry_step step;

	for (size_t i = stretch->first; i < stretch->end && !err; i++) {
		if (stretch->rank[i - stretch->first])
			continue;
		stretch->rank[i - stretch->first] = stretch_rank(stretch, i);
		if (step_of(stretch, stretch_event(stretch, i), &step)) {
			collect_chain(stretch, i, &chain);
			err = rank_chain(stretch, &chain);
		}
	}
	free(chain.lines);
	free(chain.fitting);
	return err;
}
