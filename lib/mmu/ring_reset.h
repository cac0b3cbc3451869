/* Recycling harvested entries of all dirty rings (kvm_dirty_ring_reset(), 6.12). */
#ifndef TDPSIM_MMU_RING_RESET_H
#define TDPSIM_MMU_RING_RESET_H

#include "mmu/mmu.h"

/*
 * Protects what was harvested from all rings and recycles it; one flush if there was
 * anything. Returns how many entries that were. slots_lock is held.
 */
uint64_t mmu_dirty_rings_reset(struct mmu_actor *task);

#endif
