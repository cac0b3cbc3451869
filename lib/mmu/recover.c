/*
 * Huge leaves in place of tables. See recover.h. Rules of the walk: Linux
 * arch/x86/kvm/mmu/tdp_mmu.c, recover_huge_pages_range() (6.13 on) and
 * zap_collapsible_spte_range() (6.1, 6.12).
 */
#include "mmu/recover.h"

#include "mmu/change.h"
#include "mmu/flush.h"
#include "mmu/level.h"
#include "mmu/root.h"

/* A slot in one root. */
struct recovery {
	struct mmu_shared shared;
	const struct memslot *slot;
	struct iter iter;
	bool flush; /* is owed */
};

static const struct mmu *mmu_of(const struct recovery *recovery)
{
	return recovery->shared.held.actor->mmu;
}

/* Is it a table that a leaf of its level may replace? */
static bool replaceable(const struct recovery *recovery)
{
	const struct spot *at = &recovery->iter.at;

	return at->level <= TDP_LEAF_LEVEL_MAX && iter_at_table(&recovery->iter) &&
	       memslot_holds(recovery->slot, at->gfn) &&
	       mmu_mapping_level(recovery->slot, at->gfn, mmu_of(recovery)->limits.max_level,
				 TDP_NOT_MAPPED) >= at->level;
}

enum search {
	SEARCH_FOUND,
	SEARCH_NOTHING,
	SEARCH_STOPPED, /* another actor waits for mmu_lock: search again */
};

/* The first leaf in or below the entries of a table at `level`. */
static enum search search(const struct recovery *recovery, const atomic_u64 *entries, tdp_gfn_t gfn,
			  unsigned int level, uint64_t *leaf)
{
	const struct mmu *mmu = mmu_of(recovery);
	const struct encoding *e = &mmu->encoding;

	/* The outer walk must have made progress, or the search would be stopped for ever (P2). */
	if (mmu_should_yield(recovery->shared.held, &recovery->iter))
		return SEARCH_STOPPED;
	for (unsigned int i = 0; i < TABLE_ENTRIES; i++, gfn.n += tdp_level_pages(level)) {
		uint64_t entry = u64_load_acquire(&entries[i]); /* T1 */
		enum search below;

		table_meet(mmu->host, entry);
		if (spte_leaf(e, entry, level)) {
			*leaf = entry;
			return SEARCH_FOUND;
		}
		if (!spte_table(e, entry, level) || !table_is_linked(mmu->host, entry, gfn, level))
			continue;
		below = search(recovery, table_linked(mmu->host, entry), gfn, level - 1, leaf);
		if (below != SEARCH_NOTHING)
			return below;
	}
	return SEARCH_NOTHING;
}

/* True if the walk may go on; false: the same entry again. */
static bool replace(struct recovery *recovery)
{
	const struct mmu *mmu = mmu_of(recovery);
	struct spot *at = &recovery->iter.at;
	atomic_u64 *entries = iter_table_below(&recovery->iter);
	enum search found;
	uint64_t leaf;

	if (!entries)
		return true; /* no table any more */
	found = search(recovery, entries, at->gfn, at->level - 1, &leaf);
	if (found != SEARCH_FOUND)
		return found == SEARCH_NOTHING;
	if (!entry_set_atomic(
		    recovery->shared, at,
		    spte_huge_from_small(&mmu->encoding, leaf, at->level, mmu->watched.nx_active)))
		return false;
	recovery->flush = true;
	return true;
}

static bool recover_here(struct recovery *recovery)
{
	if (!replaceable(recovery))
		return true;
	if (mmu_of(recovery)->policy.recovery == TDP_RECOVERY_IN_PLACE)
		return replace(recovery);
	return entry_zap_atomic(recovery->shared, &recovery->iter.at); /* with its flush */
}

static void recover_root(struct mmu_shared shared, struct table *root, const struct memslot *slot)
{
	struct mmu_actor *actor = shared.held.actor;
	const struct mmu *mmu = actor->mmu;
	struct recovery recovery = {.shared = shared, .slot = slot};
	struct iter *iter = &recovery.iter;

	mmu_read_begin(actor);
	iter_begin(iter, mmu->host, &mmu->encoding, root, TDP_2M, slot->gfn,
		   tdp_gfn(slot->gfn.n + slot->pages));
	while (iter_valid(iter))
		if (mmu_yield(shared.held, iter, &recovery.flush) || recover_here(&recovery))
			iter_next(iter);
	if (recovery.flush)
		mmu_flush_range(actor, slot->gfn, slot->pages);
	mmu_read_end(actor);
}

void mmu_recover_slot(struct mmu_actor *task, const struct memslot *slot)
{
	struct mmu_shared shared = mmu_lock_shared(task);
	struct table *root = NULL;

	while ((root = root_next(task, root, ROOTS_VALID, slot->address_space)))
		recover_root(shared, root, slot);
	mmu_unlock_shared(shared);
}
