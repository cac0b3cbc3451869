/* Protecting a slot's leaves. See protect.h. */
#include "mmu/protect.h"

#include "mmu/clear.h"
#include "mmu/lookup.h"
#include "mmu/root.h"

/* P1, for the 4K leaves of a tree (tdp_mmu_need_write_protect()). */
static uint64_t telling_bit(const struct mmu *mmu, const struct table *root)
{
	bool dirty_flag = mmu->policy.dirty_track == TDP_DIRTY_TRACK_DBIT &&
			  !(u32_load_relaxed(&root->role) & ROLE_GUEST_MODE);

	return dirty_flag ? mmu->encoding.dirty : mmu->encoding.write;
}

/* A pass over the leaves of a range in one tree. */
struct pass {
	struct mmu_shared shared;
	tdp_gfn_t first, past;
	uint64_t bits;
	bool huge_only; /* leaves above 4K */
};

/* The part of the range in the 4K table at the iterator, a whole table in one loop. */
static void clear_leaf_table(const struct pass *pass, struct iter *iter)
{
	atomic_u64 *entries = iter_table_below(iter);
	uint64_t begin = iter->at.gfn.n, from = 0, to = TABLE_ENTRIES;

	if (!entries)
		return;
	if (pass->first.n > begin)
		from = pass->first.n - begin;
	if (pass->past.n < begin + TABLE_ENTRIES)
		to = pass->past.n - begin;
	entries_clear_bits(pass->shared, &iter->at, entries, (unsigned int)from, (unsigned int)to,
			   pass->bits);
}

/* Goes on from an entry of level 2 or above. */
static void clear_at(const struct pass *pass, struct iter *iter)
{
	if (iter_at_leaf(iter)) {
		entry_clear_bits(pass->shared.held, &iter->at, pass->bits);
		if (!iter_at_leaf(iter)) /* it was split or zapped before we came to it */
			return;
	} else if (iter->at.level == TDP_2M) {
		if (iter_at_table(iter) && !pass->huge_only)
			clear_leaf_table(pass, iter);
	} else {
		iter_next(iter);
		return;
	}
	iter_next_beside(iter);
}

static void clear_in_root(const struct pass *pass, const struct table *root)
{
	struct mmu_actor *actor = pass->shared.held.actor;
	const struct mmu *mmu = actor->mmu;
	bool flush = false; /* P3 */
	struct iter iter;

	mmu_read_begin(actor);
	iter_begin(&iter, mmu->host, &mmu->encoding, root, TDP_2M, pass->first, pass->past);
	while (iter_valid(&iter)) {
		if (mmu_yield(pass->shared.held, &iter, &flush))
			iter_next(&iter);
		else
			clear_at(pass, &iter);
	}
	mmu_read_end(actor);
}

static struct pass pass_over(struct mmu_shared shared, const struct memslot *slot)
{
	return (struct pass){
		.shared = shared,
		.first = slot->gfn,
		.past = tdp_gfn(slot->gfn.n + slot->pages),
	};
}

static void clear_telling_bits(struct mmu_shared shared, const struct memslot *slot)
{
	struct mmu_actor *actor = shared.held.actor;
	struct pass pass = pass_over(shared, slot);
	struct table *root = NULL;

	while ((root = root_next(actor, root, ROOTS_VALID, slot->address_space))) {
		pass.bits = telling_bit(actor->mmu, root);
		clear_in_root(&pass, root);
	}
}

static void protect_huge_leaves(struct mmu_shared shared, const struct memslot *slot)
{
	struct mmu_actor *actor = shared.held.actor;
	struct pass pass = pass_over(shared, slot);
	struct table *root = NULL;

	pass.bits = actor->mmu->encoding.write;
	pass.huge_only = true;
	while ((root = root_next(actor, root, ROOTS_VALID, slot->address_space)))
		clear_in_root(&pass, root);
}

void mmu_protect_slot(struct mmu_shared shared, const struct memslot *slot)
{
	clear_telling_bits(shared, slot);
	if (shared.held.actor->mmu->policy.dirty_track == TDP_DIRTY_TRACK_DBIT)
		protect_huge_leaves(shared, slot);
}

static bool root_maps_slot(const struct table *root, const struct memslot *slot)
{
	uint32_t role = u32_load_relaxed(&root->role);

	return !(role & ROLE_INVALID) && role_address_space(role) == slot->address_space;
}

/*
 * The next valid root of the slot's address space, without a reference: under
 * mmu_lock exclusively none is invalidated, and a valid one has the MMU's own.
 */
static struct table *next_root(const struct mmu *mmu, const struct table *previous,
			       const struct memslot *slot)
{
	struct table *root = ptr_load_acquire(previous ? &previous->next_root : &mmu->pages.roots);

	while (root && !root_maps_slot(root, slot))
		root = ptr_load_acquire(&root->next_root);
	return root;
}

/* Bits of `mask`, for frames `gfn` + i, that lie in one 4K table. */
static void clear_pages(struct mmu_exclusive exclusive, const struct table *root, tdp_gfn_t gfn,
			uint64_t mask)
{
	const struct mmu *mmu = exclusive.held.actor->mmu;
	struct spot parent = {
		.gfn = tdp_gfn_round(gfn, TDP_2M),
		.address_space = role_address_space(u32_load_relaxed(&root->role)),
	};
	atomic_u64 *entries = lookup_leaf_table(mmu, root, gfn);

	if (entries)
		entries_clear_masked(exclusive, &parent, entries,
				     (unsigned int)entry_index(gfn.n, TDP_4K), mask,
				     telling_bit(mmu, root));
}

/* 64 pages may lie in two tables: a slot may begin at any frame. */
static void clear_pages_in_root(struct mmu_exclusive exclusive, const struct table *root,
				tdp_gfn_t gfn, uint64_t mask)
{
	uint64_t left = TABLE_ENTRIES - entry_index(gfn.n, TDP_4K);
	uint64_t here = left < LOG_WORD_PAGES ? (1ULL << left) - 1 : ~0ULL;

	if (mask & here)
		clear_pages(exclusive, root, gfn, mask & here);
	if (mask & ~here)
		clear_pages(exclusive, root, tdp_gfn(gfn.n + left), mask >> left);
}

void mmu_protect_pages(struct mmu_exclusive exclusive, const struct memslot *slot, uint64_t first,
		       uint64_t mask)
{
	struct mmu_actor *actor = exclusive.held.actor;
	struct table *root = NULL;

	mmu_read_begin(actor);
	while ((root = next_root(actor->mmu, root, slot)))
		clear_pages_in_root(exclusive, root, tdp_gfn(slot->gfn.n + first), mask);
	mmu_read_end(actor);
}

void mmu_protect_huge(struct mmu_exclusive exclusive, const struct memslot *slot, tdp_gfn_t gfn)
{
	struct mmu_actor *actor = exclusive.held.actor;
	const struct encoding *e = &actor->mmu->encoding;
	struct table *root = NULL;

	mmu_read_begin(actor);
	while ((root = next_root(actor->mmu, root, slot))) {
		struct lookup found = lookup_last(actor->mmu, root, gfn);
		struct spot spot = {
			.slot = found.slot,
			.entry = found.entry,
			.gfn = tdp_gfn_round(gfn, found.level),
			.level = found.level,
			.address_space = slot->address_space,
		};

		if (found.level > TDP_4K)
			entry_clear_bits(exclusive.held, &spot, e->write | e->mmu_writable);
	}
	mmu_read_end(actor);
}
