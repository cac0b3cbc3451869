/*
 * Protecting a slot's leaves, so that the next write to a page is noticed again
 *
 * Rules
 *   P1  A write is noticed by the bit that it finds clear: D where the CPU logs the writes that set
 *       it, W elsewhere, and W in the trees of an L2 guest, whose writes the CPU does not log. For
 *       leaves above 4K it is W everywhere, because the log holds 4K pages
 *       (kvm_mmu_slot_apply_flags(), 6.12).
 *   P2  Present leaves only. In a hole, an MMIO entry or a frozen one these bits mean something
 *       else (clear_dirty_pt_masked(), since 5.17).
 *   P3  Nothing here flushes. A translation that a TLB still holds lets a page be written unnoticed
 *       until the flush that the caller makes, once, after it has dropped mmu_lock. A reader of the
 *       log copies pages after that flush.
 *   P4  When the D flag tracks writes, enabling a slot's log takes two passes: clear D, then clear
 *       W in huge leaves. Between the two a vCPU may write through a huge leaf, which logs one page
 *       of it and sets D, and a fault may then split the leaf. The parts must be clean, or the
 *       other pages would be written unnoticed. A fault that splits knows that the log begins from
 *       its slot (D4 of dirty.h) and from the flush that is owed, which also ends the translations
 *       with D. (6.12 copies D there, as we read it.)
 */
#ifndef TDPSIM_MMU_PROTECT_H
#define TDPSIM_MMU_PROTECT_H

#include "mmu/held.h"

/*
 * All leaves of the slot in all valid roots, under the shared lock; yields
 * (kvm_mmu_slot_leaf_clear_dirty(), kvm_mmu_slot_remove_write_access()).
 */
void mmu_protect_slot(struct mmu_shared shared, const struct memslot *slot);

/*
 * The 4K leaves of the pages `first` + i of the slot for which bit i of `mask` is set
 * (kvm_tdp_mmu_clear_dirty_pt_masked()). Does not yield.
 */
void mmu_protect_pages(struct mmu_exclusive exclusive, const struct memslot *slot, uint64_t first,
		       uint64_t mask);

/*
 * The leaves above 4K that map `gfn`. They lose MMU-writable too, so that no fast page
 * fault makes them writable again (kvm_mmu_slot_gfn_write_protect()).
 */
void mmu_protect_huge(struct mmu_exclusive exclusive, const struct memslot *slot, tdp_gfn_t gfn);

#endif
