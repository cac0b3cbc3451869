/*
 * At which level a frame may be mapped: the one place where the slot, the hardware and the source
 * of the page meet (kvm_mmu_max_mapping_level(), 6.12). Memory attributes and the RMP will limit it
 * here too.
 */
#ifndef TDPSIM_MMU_LEVEL_H
#define TDPSIM_MMU_LEVEL_H

#include "guest/slot_page.h"

/*
 * The largest level, up to `most`, at which a leaf over the frame may lie in its slot and is backed
 * by one folio. `known` is the level that a page was resolved with, or TDP_NOT_MAPPED to ask the
 * source. Meaningful under mmu_lock only, and for a page that is not stale: the source may split or
 * merge at any other time.
 */
static inline unsigned int mmu_mapping_level(const struct memslot *slot, tdp_gfn_t gfn,
					     unsigned int most, unsigned int known)
{
	unsigned int level = most < slot->max_level ? most : slot->max_level, source;

	while (level > TDP_4K && !memslot_allows(slot, gfn, level))
		level--;
	if (level == TDP_4K)
		return TDP_4K;
	source = known ? known : slot_page_level(slot, gfn);
	return source < level ? source : level;
}

#endif
