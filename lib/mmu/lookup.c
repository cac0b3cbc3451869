/* Lockless lookups: what only a suspicious entry needs. See lookup.h. */
#include "mmu/lookup.h"

bool lookup_reserved(const struct mmu *mmu, uint64_t spte, unsigned int level)
{
	uint64_t beyond = ENTRY_ADDRESS & ~((mmu->limits.gfns << TDP_PAGE_SHIFT) - 1);
	uint64_t below = 0;

	if (level > 1 && (spte & mmu->encoding.format->large)) {
		if (level > mmu->limits.max_level)
			return true;
		/* A large leaf's low frame bits. */
		below = (tdp_level_bytes(level) - 1) & ENTRY_ADDRESS;
		below &= ~mmu->encoding.format->large_pat;
	}
	return spte & (beyond | below);
}
