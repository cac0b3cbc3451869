/*
 * Protecting a slot's leaves, so that the next write to a page is noticed again
 *
 * Rules
 *   P1  A write is noticed by the bit that it finds clear: D where the CPU logs the
 *       writes that set it, W elsewhere, and W in the trees of an L2 guest, whose
 *       writes the CPU does not log. Of leaves above 4K it is W everywhere: what is
 *       logged is 4K pages (kvm_mmu_slot_apply_flags(), 6.12).
 *   P2  Present leaves only. In a hole, an MMIO entry or a frozen one these bits mean
 *       something else (clear_dirty_pt_masked(), since 5.17).
 *   P3  Nothing here flushes. A translation that a TLB still has lets a page be
 *       written unnoticed until the flush that the caller makes, once, after it has
 *       dropped mmu_lock. Who reads the log copies pages after that flush.
 *   P4  Where D is what tells, a slot whose log begins is gone over twice: for D, then
 *       for W above 4K. Between the two a huge leaf may be written, which logs one page of
 *       it and sets D, and then be split by a fault: its children are clean, or the
 *       others of them would be written unnoticed. A fault that splits knows that the
 *       log begins: from its slot (D4 of dirty.h), and because a flush is owed, which
 *       is also for the translations that have D. (6.12 copies D there, as we read it.)
 */
#ifndef TDPSIM_MMU_PROTECT_H
#define TDPSIM_MMU_PROTECT_H

#include "mmu/held.h"

/*
 * All leaves of the slot in all valid roots, under the shared lock, giving way
 * (kvm_mmu_slot_leaf_clear_dirty(), kvm_mmu_slot_remove_write_access()).
 */
void mmu_protect_slot(struct mmu_shared shared, const struct memslot *slot);

/*
 * The 4K leaves of the pages `first` + i of the slot for which bit i of `mask` is set
 * (kvm_tdp_mmu_clear_dirty_pt_masked()). Does not give way.
 */
void mmu_protect_pages(struct mmu_exclusive exclusive, const struct memslot *slot, uint64_t first,
		       uint64_t mask);

/*
 * The leaves above 4K that map `gfn`. They lose MMU-writable too, so that no fast page
 * fault makes them writable again (kvm_mmu_slot_gfn_write_protect()).
 */
void mmu_protect_huge(struct mmu_exclusive exclusive, const struct memslot *slot, tdp_gfn_t gfn);

#endif
