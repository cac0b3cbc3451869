/*
 * Dirty logging: what is done to a slot's mappings when its flag changes.
 */
#ifndef TDPSIM_MMU_DIRTY_H
#define TDPSIM_MMU_DIRTY_H

#include "mmu/mmu.h"

/*
 * The slot has been published with the flag, and a grace period has passed: whoever
 * maps a page of it from now on knows the flag (kvm_mmu_slot_apply_flags(), 6.12).
 * slots_lock is held.
 */
void mmu_dirty_log_enabled(struct mmu_actor *task, const struct memslot *slot);

/* The same without the flag. */
void mmu_dirty_log_disabled(struct mmu_actor *task, const struct memslot *slot);

#endif
