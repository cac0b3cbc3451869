/*
 * Filling a hole: what most faults come to. The tables of the way are all there,
 * nothing is at the place, the page is ordinary memory and nobody logs it. Whatever is
 * not so is for fault_map(), which begins again at the root and knows every case;
 * where both can do it they do the same. In a header, so that what a fault is about
 * stays in registers.
 *
 * The way down is gone before the host is asked for the page, so that the entry's line
 * is fetched meanwhile. Under mmu_lock its last link is looked at again. While that
 * stands, so does all above: who takes a table out of a tree takes apart all that it
 * linked (C3 of change.h), before he drops mmu_lock, or, if he has it shared as we do,
 * so that our swap fails. A table's frame is not used again before our RCU section ends.
 */
#ifndef TDPSIM_MMU_FILL_H
#define TDPSIM_MMU_FILL_H

#include "mmu/change.h"
#include "mmu/fault.h"
#include "mmu/level.h"
#include "mmu/trace.h"

/* Where a fault's entry will be, if the tables stay as they are. */
struct way {
	atomic_u64 *slot;
	atomic_u64 *link; /* the entry above, that links its table */
	uint64_t linked;  /* and what that held */
	unsigned int level;
};

/* The long way to ask whether an entry links a table. */
static __attribute__((noinline, cold)) bool fill_examine(const struct mmu *mmu, uint64_t entry,
							 tdp_gfn_t gfn, unsigned int level)
{
	return spte_table_above_4k(&mmu->encoding, entry) &&
	       table_is_linked(mmu->host, entry, gfn, level);
}

/* What every step of a way asks, at hand. */
struct stride {
	const struct mmu *mmu;
	uint64_t mask, bits; /* link_mask, link_bits */
	uint8_t *window;
	tdp_gfn_t gfn;
	bool brief; /* end the way where the long question would have to be asked */
};

/*
 * One step down, from the entry at way->slot. One comparison asks whether it links a
 * table, and one within the host's tables. Under `check` no entry passes it and each
 * table is examined.
 */
__attribute__((always_inline)) static inline bool fill_step(struct stride stride, struct way *way,
							    unsigned int level)
{
	uint64_t entry = u64_load_acquire(way->slot); /* T1 */

	if (__builtin_expect((entry & stride.mask) != stride.bits, 0) &&
	    (stride.brief || !fill_examine(stride.mmu, entry, stride.gfn, level)))
		return false;
	*way = (struct way){
		.slot = (atomic_u64 *)(stride.window + (entry & ENTRY_ADDRESS)) +
			entry_index(stride.gfn.n, level - 1),
		.link = way->slot,
		.linked = entry,
		.level = level - 1,
	};
	return true;
}

/* As far as tables go. A step for each level, so that each knows its shift. */
__attribute__((always_inline)) static inline struct way way_down(const struct mmu_context *context,
								 tdp_gfn_t gfn, bool brief)
{
	const struct mmu *mmu = context->actor.mmu;
	struct stride stride = {
		.mmu = mmu,
		.mask = context->links.mask,
		.bits = context->links.bits,
		.window = mmu->host->window,
		.gfn = gfn,
		.brief = brief,
	};
	struct way way = {
		.slot = context->root.entries + entry_index(gfn.n, context->role.root_level),
		.level = context->role.root_level,
	};

	if ((__builtin_expect(way.level == 4, 1) || fill_step(stride, &way, 5)) &&
	    fill_step(stride, &way, 4) && fill_step(stride, &way, 3))
		fill_step(stride, &way, 2);
	return way;
}

__attribute__((always_inline)) static inline struct way fill_way(const struct mmu_context *context,
								 tdp_gfn_t gfn)
{
	struct way way = way_down(context, gfn, false);

	__builtin_prefetch(way.slot, 1);
	return way;
}

/* A writable leaf of ordinary memory. */
static inline uint64_t fill_leaf(const struct mmu_context *context, tdp_pfn_t pfn,
				 unsigned int level)
{
	uint64_t frame = pfn.n;

	if (__builtin_expect(level == TDP_4K, 1))
		return frame << TDP_PAGE_SHIFT | context->role.leaf;
	frame &= ~(tdp_level_pages(level) - 1);
	return frame << TDP_PAGE_SHIFT | context->role.leaf |
	       context->actor.mmu->encoding.format->large;
}

/* FIXED, or INVALID and nothing was done. The slot has a plain map. */
static inline int fill_hole(struct mmu_shared shared, const struct mmu_context *context,
			    const struct memslot *slot, tdp_gfn_t gfn, bool fetch, tdp_pfn_t pfn,
			    struct way way)
{
	const struct mmu *mmu = context->actor.mmu;
	unsigned int level = TDP_4K;
	struct spot spot;

	if (slot->max_level > TDP_4K)
		level = mmu_mapping_level(slot, gfn, mmu->limits.max_level);
	if (__builtin_expect(mmu->watched.nx_active, 0) && (level > TDP_4K || fetch))
		return STEP_INVALID; /* nx.h */
	if (way.level != level || u64_load_acquire(way.link) != way.linked)
		return STEP_INVALID;
	spot = (struct spot){
		.slot = way.slot,
		.entry = mmu->encoding.nonpresent,
		.gfn = tdp_gfn_round(gfn, level),
		.level = level,
		.address_space = role_address_space(context->role.word),
	};
	return entry_fill(shared, &spot, fill_leaf(context, pfn, level)) ? STEP_FIXED
									 : STEP_INVALID;
}

#endif
