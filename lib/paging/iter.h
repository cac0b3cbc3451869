/*
 * Lockless table iterator
 *
 * Visits, parents first, every entry that maps part of [start, end) under one root, while other
 * threads map, split and zap the same range. A hole is visited once, at its level.
 *
 * Promises
 *   P1  Between two yields frame numbers never decrease and no entry is visited twice. After a
 *       yield the walk descends again from the root and continues with the entry at which it
 *       yielded.
 *   P2  A walk ends: a yield is allowed only if there was a step sideways since the last
 *       (iter_may_yield()), or for something that is needed once only (iter_set_left()).
 *   P3  iter->at.entry is a value that the slot held at some moment after the step began.
 *
 * Relies on
 *   R1  The caller stays in one RCU section from iter_begin(), or from the last iter_set_yielded(),
 *       until its last use of iter->at.slot (table.h, T2).
 *   R2  Under the shared lock a slot changes only by compare-and-swap.
 *   R3  A frozen entry is thawed by the thread that froze it, and no other.
 *
 * Order
 *   Following a table pointer is a load-acquire; it pairs with the release that linked the table
 *   (T1), or we could read a new page before its contents. Every other load is relaxed: it only
 *   feeds a compare-and-swap, which fails if it was stale.
 *
 * An entry of an upper level may begin below `start`. The moves are those of Linux
 * arch/x86/kvm/mmu/tdp_iter.c (5.16 on): down, side, up.
 *
 * Checked by test_iter.c (P1, P2) and the stress scenarios (P3, R1 to R3).
 */
#ifndef TDPSIM_PAGING_ITER_H
#define TDPSIM_PAGING_ITER_H

#include "paging/spot.h"
#include "platform/check.h"

struct iter {
	struct tdp_host *host;
	const struct encoding *encoding;
	atomic_u64 *path[TDP_LEVEL_MAX]; /* first entries of the tables above, by level - 1 */
	tdp_gfn_t end;
	tdp_gfn_t goal;		/* the frame that the walk descends to */
	tdp_gfn_t yielded_goal; /* goal at the last restart */
	struct spot at;		/* the current entry */
	unsigned int root_level, min_level;
	bool valid;
	bool yielded; /* the next iter_next() restarts from the root */
};

void iter_begin(struct iter *iter, struct tdp_host *host, const struct encoding *encoding,
		const struct table *root, unsigned int min_level, tdp_gfn_t start, tdp_gfn_t end);
void iter_next(struct iter *iter);

/* The same, without a step down into the table that the current entry links. */
void iter_next_beside(struct iter *iter);

/* The entries of the table that the current entry links at this moment, or NULL. */
atomic_u64 *iter_table_below(struct iter *iter);

static inline bool iter_valid(const struct iter *iter)
{
	return iter->valid && iter->at.gfn.n < iter->end.n;
}

/* P2: otherwise two threads could yield to each other for ever. */
static inline bool iter_may_yield(const struct iter *iter)
{
	return iter->goal.n != iter->yielded_goal.n;
}

/* The caller has left its RCU section: iter->at.slot is dead until iter_next(). */
static inline void iter_set_yielded(struct iter *iter)
{
	DCHECK(iter_may_yield(iter));
	iter->yielded = true;
}

/*
 * The same without progress, for a caller that left to fetch what the current entry needs: it has
 * it when the walk is back at the entry.
 */
static inline void iter_set_left(struct iter *iter)
{
	iter->yielded = true;
}

/* Reads the current slot again, after a lost compare-and-swap or a write of the caller. */
static inline void iter_refresh(struct iter *iter)
{
	iter->at.entry = u64_load_relaxed(iter->at.slot);
	table_meet(iter->host, iter->at.entry);
}

static inline bool iter_at_leaf(const struct iter *iter)
{
	return spot_is_leaf(iter->encoding, &iter->at);
}

static inline bool iter_at_table(const struct iter *iter)
{
	return spot_is_table(iter->encoding, &iter->at);
}

#endif
