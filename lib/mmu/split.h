/*
 * Splitting huge leaves in place: a leaf above a fault's goal, or all leaves of a range
 *
 * A split never owes a flush: old and new translations agree.
 */
#ifndef TDPSIM_MMU_SPLIT_H
#define TDPSIM_MMU_SPLIT_H

#include "mmu/change.h"

/*
 * Replaces the huge leaf at the spot by `table`, filled with 512 entries that map the same memory
 * one level down, without the bits `dropped`. False if the entry had changed; the table is then
 * still the caller's, with undefined contents.
 */
bool mmu_split_leaf(struct mmu_held held, struct spot *spot, struct table *table, uint64_t dropped);

/*
 * Eager page splitting, where the policy wants it: all huge leaves of a slot become 4K leaves
 * before the guest writes to them. Best effort: when memory runs out, the rest stays huge. Takes
 * mmu_lock shared, yields, and drops it for every table that it allocates. slots_lock is held.
 */
void mmu_split_slot(struct mmu_actor *task, const struct memslot *slot);

/*
 * The same for the pages from the first to the last that is set in `mask`, whose bit 0 is page
 * `offset` of the slot; not 0. Drops mmu_lock meanwhile.
 */
void mmu_split_masked(struct mmu_exclusive exclusive, const struct memslot *slot, uint64_t offset,
		      uint64_t mask);

#endif
