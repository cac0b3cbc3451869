/*
 * Splitting huge leaves in place (Linux arch/x86/kvm/mmu/tdp_mmu.c,
 * tdp_mmu_split_huge_page(), 6.2 on, and tdp_mmu_split_huge_pages_root(), 6.12).
 */
#include "mmu/split.h"

#include <errno.h>

#include "mmu/root.h"
#include "mmu/trace.h"
#include "mmu/zap.h"

/*
 * Plain writes: no actor sees the table before it is linked (table.h, T1). The children of a leaf
 * differ in their frames only.
 */
static void fill_from_huge(const struct mmu *mmu, const struct spot *spot, struct table *table,
			   uint64_t dropped)
{
	uint64_t huge = spot->entry & ~dropped;

	table_fill(
		mmu->host, table,
		spte_small_from_huge(&mmu->encoding, huge, spot->level, 0, mmu->watched.nx_active),
		tdp_level_bytes(spot->level - 1));
}

bool mmu_split_leaf(struct mmu_held held, struct spot *spot, struct table *table, uint64_t dropped)
{
	uint64_t huge = spot->entry;
	bool linked;

	fill_from_huge(held.actor->mmu, spot, table, dropped);
	linked = entry_link_table(held, spot, table);
	if (linked)
		mmu_gauge(held.actor, gauge_of_leaves(spot->level - 1), TABLE_ENTRIES);
	if (mmu_tracing(held.actor))
		trace_split(held.actor, spot, huge, linked ? 0 : -EBUSY);
	return linked;
}

/*
 * A table for the leaf at the iterator. Allocating may sleep upstream, so mmu_lock is dropped for
 * it.
 */
static int fetch_table(struct mmu_held held, struct iter *iter, struct table **spare)
{
	struct mmu_actor *actor = held.actor;
	int err;

	mmu_leave(held);
	err = table_alloc_bare(&actor->caller, spare);
	mmu_come_back(held);
	iter_set_left(iter);
	if (err && mmu_tracing(actor))
		trace_split(actor, &iter->at, iter->at.entry, err);
	return err;
}

/* Splits with the spare table; true if it is used up. A lost race has refreshed the entry. */
static bool split_here(struct mmu_held held, struct iter *iter, struct table *spare)
{
	entry_prepare_table(held.actor, &iter->at, spare);
	return mmu_split_leaf(held, &iter->at, spare, 0);
}

/* Parents first, so a 1G leaf has become 2M leaves when the walk descends into it. -ENOMEM. */
static int split_range(struct mmu_held held, struct table *root, struct gfn_range range)
{
	struct mmu_actor *actor = held.actor;
	const struct mmu *mmu = actor->mmu;
	struct table *spare = NULL;
	bool flush = false; /* nothing to flush, ever */
	struct iter iter;
	int err = 0;

	mmu_read_begin(actor);
	iter_begin(&iter, mmu->host, &mmu->encoding, root, TDP_2M, range.first, range.past);
	while (!err && iter_valid(&iter)) {
		if (mmu_yield(held, &iter, &flush) || !iter_at_leaf(&iter)) {
			iter_next(&iter);
		} else if (!spare) {
			err = fetch_table(held, &iter, &spare);
			iter_next(&iter);
		} else if (split_here(held, &iter, spare)) {
			spare = NULL;
			iter_next(&iter);
		}
	}
	mmu_read_end(actor);
	if (spare) /* another actor split the last leaf first */
		table_free_now(&actor->caller, spare);
	return err;
}

static void split_roots(struct mmu_held held, unsigned int address_space, struct gfn_range range)
{
	struct mmu_actor *actor = held.actor;
	struct table *root = NULL;

	while ((root = root_next(actor, root, ROOTS_VALID, (int)address_space)))
		if (split_range(held, root, range)) {
			root_put(actor, root); /* no memory: the remaining leaves stay huge */
			break;
		}
}

void mmu_split_slot(struct mmu_actor *task, const struct memslot *slot)
{
	struct gfn_range range = {slot->gfn, tdp_gfn(slot->gfn.n + slot->pages)};
	struct mmu_shared shared;

	if (task->mmu->policy.eager_split != TDP_ON)
		return;
	shared = mmu_lock_shared(task);
	split_roots(shared.held, slot->address_space, range);
	mmu_unlock_shared(shared);
}

/*
 * Until 6.1 the last page was left out. Its leaf is split all the same if a page before it is set:
 * only a leaf that begins with the last page stays.
 */
void mmu_split_masked(struct mmu_exclusive exclusive, const struct memslot *slot, uint64_t offset,
		      uint64_t mask)
{
	const struct tdp_policy *policy = &exclusive.held.actor->mmu->policy;
	uint64_t first = slot->gfn.n + offset + (unsigned int)__builtin_ctzll(mask);
	uint64_t last = slot->gfn.n + offset + 63 - (unsigned int)__builtin_clzll(mask);
	uint64_t past = policy->clear_splits_last == TDP_ON ? last + 1 : last;

	if (policy->eager_split == TDP_ON)
		split_roots(exclusive.held, slot->address_space,
			    (struct gfn_range){tdp_gfn(first), tdp_gfn(past)});
}
