/*
 * Filling a hole: what most faults come to. The tables of the way are all there,
 * nothing is at the place, the page is ordinary memory and nobody logs it. Whatever is
 * not so is for fault_map(), which begins again at the root and knows every case;
 * where both can do it they do the same.
 */
#include "guest/backing.h"
#include "mmu/change.h"
#include "mmu/fault.h"
#include "mmu/trace.h"

static inline bool ordinary(const struct fault *fault)
{
	return fault->slot && !fault->slot->log_dirty && !fault->page.device &&
	       !mmu_tracing(&fault->context->actor);
}

static inline uint64_t leaf_value(const struct fault *fault, unsigned int level)
{
	const struct mmu_context *context = fault->context;
	uint64_t pages = tdp_level_pages(level);
	uint64_t frame = (fault->page.pfn.n & ~(pages - 1)) << TDP_PAGE_SHIFT;

	if (level > TDP_4K)
		frame |= context->actor.mmu->encoding.format->large;
	return frame | context->leaf[fault->page.writable];
}

int fault_fill(struct mmu_shared shared, const struct fault *fault)
{
	const struct mmu_context *context = fault->context;
	const struct mmu *mmu = context->actor.mmu;
	const struct encoding *e = &mmu->encoding;
	atomic_u64 *table = frame_address(mmu->host, context->root_pfn);
	unsigned int level = role_level(context->root_role), goal = TDP_4K;
	struct spot spot;

	if (!ordinary(fault))
		return STEP_INVALID;
	if (fault->slot->max_level > TDP_4K)
		goal = backing_mapping_level(fault->slot, fault->gfn, mmu->max_level);
	if ((goal > TDP_4K || fault->access == TDP_FETCH) && mmu->nx_active)
		return STEP_INVALID; /* nx.h */
	for (; level > goal; level--) {
		uint64_t entry = u64_load_acquire(table + entry_index(fault->gfn.n, level));

		if (!spte_table_above_4k(e, entry) ||
		    !table_is_there(mmu->host, spte_pfn(entry), tdp_gfn_round(fault->gfn, level),
				    level))
			return STEP_INVALID;
		table = frame_address(mmu->host, spte_pfn(entry));
	}
	spot = (struct spot){
		.slot = table + entry_index(fault->gfn.n, goal),
		.gfn = tdp_gfn_round(fault->gfn, goal),
		.level = goal,
		.address_space = role_address_space(context->root_role),
	};
	spot.entry = u64_load_relaxed(spot.slot); /* feeds the swap */
	if (spot.entry != e->nonpresent)
		return STEP_INVALID;
	return entry_fill(shared, spot, leaf_value(fault, goal)) ? STEP_FIXED : STEP_RETRY;
}
