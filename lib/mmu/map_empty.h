/*
 * The mapping step of a fault's fast path: a leaf where the entry is empty, all tables above are
 * there, the page is ordinary memory and the slot is not logged. fault_map() handles every other
 * case and begins again at the root; where both can act they do the same.
 */
#ifndef TDPSIM_MMU_MAP_EMPTY_H
#define TDPSIM_MMU_MAP_EMPTY_H

#include "mmu/change.h"
#include "mmu/fault.h"
#include "mmu/level.h"

/* A writable leaf of ordinary memory. */
static inline uint64_t plain_leaf(const struct mmu_context *context, tdp_pfn_t pfn,
				  unsigned int level)
{
	uint64_t frame = pfn.n;

	if (__builtin_expect(level == TDP_4K, 1))
		return frame << TDP_PAGE_SHIFT | context->role.leaf;
	frame &= ~(tdp_level_pages(level) - 1);
	return frame << TDP_PAGE_SHIFT | context->role.leaf |
	       context->actor.mmu->encoding.format->large;
}

/*
 * FIXED, or INVALID and nothing was done. Uses fault->slot, whose map is plain, ->gfn, ->access,
 * ->page and ->descent.
 */
__attribute__((always_inline)) static inline int map_empty(struct mmu_shared shared,
							   struct fault *fault)
{
	const struct mmu_context *context = fault->context;
	const struct mmu *mmu = context->actor.mmu;
	const struct descent at = fault->descent;
	unsigned int level = TDP_4K;
	struct spot spot;

	if (fault->slot->max_level > TDP_4K)
		level = mmu_mapping_level(fault->slot, fault->gfn, mmu->limits.max_level,
					  fault->page.level);
	if (__builtin_expect(mmu->watched.nx_active, 0) &&
	    (level > TDP_4K || fault->access == TDP_FETCH))
		return STEP_INVALID; /* nx.h */
	if (at.level != level || u64_load_acquire(at.link) != at.linked)
		return STEP_INVALID;
	spot = (struct spot){
		.slot = at.slot,
		.entry = mmu->encoding.nonpresent,
		.gfn = tdp_gfn_round(fault->gfn, level),
		.level = level,
		.address_space = role_address_space(context->role.word),
	};
	return entry_fill(shared, &spot, plain_leaf(context, fault->page.pfn, level))
		       ? STEP_FIXED
		       : STEP_INVALID;
}

#endif
