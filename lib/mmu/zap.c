/* Zapping: leaves of a range, whole roots, all roots. See zap.h. */
#include "mmu/zap.h"

#include "mmu/change.h"
#include "mmu/entry.h"
#include "mmu/flush.h"
#include "mmu/trace.h"

/* False if it was not present. */
static inline bool zap_leaf_shared(const struct encoding *e, struct spot *spot)
{
	spot->entry = u64_load_relaxed(spot->slot);
	while (spte_present(e, spot->entry)) /* a lost swap has refreshed it */
		if (u64_cas_acq_rel(spot->slot, &spot->entry, e->nonpresent))
			return true;
	return false;
}

/* The same under the exclusive lock, where an observer needs the old value. */
static inline bool zap_leaf_exclusive(const struct encoding *e, struct spot *spot)
{
	spot->entry = u64_load_relaxed(spot->slot);
	if (!spte_present(e, spot->entry))
		return false;
	spot->entry = entry_store(e, spot->slot, spot->entry, e->nonpresent, TDP_4K);
	return true;
}

static unsigned int zap_each(struct mmu_held held, const struct spot *parent, atomic_u64 *entries,
			     unsigned int from, unsigned int to)
{
	struct mmu_actor *actor = held.actor;
	const struct encoding *e = &actor->mmu->encoding;
	bool observed = actor->observed;
	unsigned int zapped = 0;

	for (unsigned int i = from; i < to; i++) {
		struct spot spot = {
			.slot = &entries[i],
			.gfn = tdp_gfn(parent->gfn.n + i),
			.level = TDP_4K,
			.address_space = parent->address_space,
		};

		if (!(held.exclusive ? zap_leaf_exclusive(e, &spot) : zap_leaf_shared(e, &spot)))
			continue;
		zapped++;
		if (observed)
			entry_report(actor, &spot, e->nonpresent);
	}
	return zapped;
}

/*
 * Makes the present leaves among [from, to) of a table of 4K entries non-present; `parent` is the
 * spot that links it. A table at a time, so that the gauge moves once. Returns how many there were.
 */
static unsigned int entries_zap_leaves(struct mmu_held held, const struct spot *parent,
				       atomic_u64 *entries, unsigned int from, unsigned int to)
{
	const struct encoding *e = &held.actor->mmu->encoding;
	unsigned int zapped =
		held.exclusive && !held.actor->observed
			? entries_store_over_leaves(e, entries, from, to, e->nonpresent)
			: zap_each(held, parent, entries, from, to);

	if (zapped)
		mmu_gauge(held.actor, GAUGE_PAGES_4K, -(int64_t)zapped);
	return zapped;
}

/* The leaves of the 4K table at the iterator that lie in the range; false if there is none. */
static bool zap_leaf_table(struct mmu_held held, struct iter *iter, struct gfn_range range,
			   unsigned int *zapped)
{
	atomic_u64 *entries = iter_table_below(iter);
	uint64_t first = iter->at.gfn.n, past = first + TABLE_ENTRIES;

	if (!entries)
		return false;
	if (range.first.n > first)
		first = range.first.n;
	if (range.past.n < past)
		past = range.past.n;
	*zapped =
		entries_zap_leaves(held, &iter->at, entries, (unsigned int)(first - iter->at.gfn.n),
				   (unsigned int)(past - iter->at.gfn.n));
	return true;
}

/*
 * Handles the entry at the iterator, of level 2 or above, and advances; the leaves of a 4K table
 * are zapped in one loop. True if something was zapped.
 */
static bool zap_leaves_at(struct mmu_exclusive exclusive, struct iter *iter, struct gfn_range range)
{
	unsigned int zapped = 0;

	if (iter_at_leaf(iter)) {
		entry_set(exclusive, &iter->at, iter->encoding->nonpresent);
		zapped = 1;
	} else if (iter->at.level == TDP_2M && iter_at_table(iter)) {
		zap_leaf_table(exclusive.held, iter, range, &zapped);
	} else {
		iter_next(iter);
		return false;
	}
	iter_next_beside(iter);
	return zapped;
}

bool mmu_zap_leaves(struct mmu_exclusive exclusive, struct table *root, struct gfn_range range,
		    bool may_yield, bool flush)
{
	struct mmu_actor *actor = exclusive.held.actor;
	const struct mmu *mmu = actor->mmu;
	bool owes = !root_invalid(root) || mmu->policy.skip_invalid_roots != TDP_ON;
	struct iter iter;

	mmu_read_begin(actor);
	iter_begin(&iter, mmu->host, &mmu->encoding, root, TDP_2M, range.first, range.past);
	while (iter_valid(&iter)) {
		if (may_yield && mmu_yield(exclusive.held, &iter, &flush)) {
			CHECK(u32_load_relaxed(&root->references)); /* Z3, or it may be freed */
			iter_next(&iter);
		} else if (zap_leaves_at(exclusive, &iter, range)) {
			flush |= owes; /* Z1 */
		}
	}
	/* Leaves only: the flush may come after the RCU section, tables stay. */
	mmu_read_end(actor);
	return flush;
}

bool mmu_zap_leaves_in(struct mmu_exclusive exclusive, enum root_filter filter, int address_space,
		       struct gfn_range range, bool may_yield)
{
	struct mmu_actor *actor = exclusive.held.actor;
	struct table *root = NULL;
	bool flush = false;

	while ((root = root_next(actor, root, filter, address_space)))
		flush = mmu_zap_leaves(exclusive, root, range, may_yield, flush);
	return flush;
}

/* The first pass over a root: leaves of 4K, a table at a time. */
static void zap_level_1(struct mmu_held held, struct table *root)
{
	struct mmu_actor *actor = held.actor;
	const struct mmu *mmu = actor->mmu;
	struct gfn_range all = {tdp_gfn(0), tdp_gfn(mmu->limits.gfns)};
	bool flush = false;
	unsigned int zapped;
	struct iter iter;

	mmu_read_begin(actor);
	iter_begin(&iter, mmu->host, &mmu->encoding, root, TDP_2M, all.first, all.past);
	while (iter_valid(&iter)) {
		if (!mmu_yield(held, &iter, &flush) && iter.at.level == TDP_2M)
			zap_leaf_table(held, &iter, all, &zapped);
		iter_next(&iter);
	}
	mmu_read_end(actor);
}

/* A later pass: every entry at `level` becomes non-present, and the tables below go with it. */
static void zap_level(struct mmu_held held, struct table *root, unsigned int level)
{
	struct mmu_actor *actor = held.actor;
	const struct mmu *mmu = actor->mmu;
	bool flush = false;
	struct iter iter;

	mmu_read_begin(actor);
	iter_begin(&iter, mmu->host, &mmu->encoding, root, level, tdp_gfn(0),
		   tdp_gfn(mmu->limits.gfns));
	while (iter_valid(&iter)) {
		bool done = true;

		if (mmu_yield(held, &iter, &flush)) {
			iter_next(&iter);
			continue;
		}
		if (iter.at.level == level && spte_present(&mmu->encoding, iter.at.entry))
			done = entry_change(held, &iter.at, mmu->encoding.nonpresent);
		if (done) /* else another actor changed it: the same entry again */
			iter_next(&iter);
	}
	mmu_read_end(actor);
}

/*
 * Bottom up, so that no step removes more than one table that is not empty (6.9 on); before, in
 * steps of 1G and of the root.
 */
void mmu_zap_root(struct mmu_held held, struct table *root)
{
	const struct mmu *mmu = held.actor->mmu;
	unsigned int root_level = table_level(root);

	if (mmu->policy.zap_each_level == TDP_ON) {
		zap_level_1(held, root);
		zap_level(held, root, TDP_2M);
	}
	zap_level(held, root, TDP_1G);
	zap_level(held, root, root_level);
}

void mmu_zap_all(struct mmu_actor *actor)
{
	struct mmu_exclusive exclusive = mmu_lock_exclusive(actor);
	struct table *root = NULL;

	while ((root = root_next(actor, root, ROOTS_ALL, ANY_ADDRESS_SPACE)))
		mmu_zap_root(exclusive.held, root);
	mmu_unlock_exclusive(exclusive);
}

void mmu_zap_invalidated_roots(struct mmu_actor *actor)
{
	struct mmu_shared shared = mmu_lock_shared(actor);
	struct table *root = NULL;

	while ((root = root_next(actor, root, ROOTS_ALL, ANY_ADDRESS_SPACE))) {
		if (!root->zap_scheduled)
			continue;
		root->zap_scheduled = false;
		mmu_zap_root(shared.held, root);
		root_put(actor, root); /* the MMU's; the walk has another */
	}
	mmu_unlock_shared(shared);
}

void mmu_drop_roots(struct mmu_exclusive exclusive)
{
	struct mmu_actor *actor = exclusive.held.actor;
	struct mmu *mmu = actor->mmu;

	if (mmu_tracing(actor))
		trace_zap_all_fast(actor);
	mmu->pages.shadow_generation = !mmu->pages.shadow_generation;
	roots_invalidate(exclusive);
	/* In the same critical section: no vCPU may run on an invalid root after it. */
	mmu_request_all(actor, REQUEST_FREE_OBSOLETE_ROOTS);
}

void mmu_zap_all_fast(struct mmu_actor *actor)
{
	struct mmu_exclusive exclusive = mmu_lock_exclusive(actor);

	mmu_drop_roots(exclusive);
	mmu_unlock_exclusive(exclusive);
	mmu_zap_invalidated_roots(actor);
}
