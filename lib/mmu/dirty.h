/*
 * Dirty logging: from a write to the log, and back to a page that can be logged again
 *
 * Rules
 *   D1  A leaf that lets a logged page be written is marked before it can be seen
 *       (make_spte(), Linux arch/x86/kvm/mmu/spte.c, 6.12). Marking and installing
 *       happen under mmu_lock, shared; who takes marks holds it exclusively, so it
 *       finds both or neither.
 *   D2  A right to write that is given back without mmu_lock is marked after it was
 *       given (fast_pf_fix_direct_spte()). Marked before, a reader could take the
 *       mark in between and find nothing to take away. So another vCPU may write
 *       through the entry a moment before the mark: a reader of the log sees that
 *       write once the fault has returned.
 */
#ifndef TDPSIM_MMU_DIRTY_H
#define TDPSIM_MMU_DIRTY_H

#include "mmu/mmu.h"

/*
 * Puts a page in its slot's log, if that has one (mark_page_dirty_in_slot()). Inside an
 * RCU section; `slot` may be NULL.
 */
void mmu_mark_dirty(struct mmu_actor *actor, const struct memslot *slot, tdp_gfn_t gfn);

/*
 * The slot has been published with the flag, and a grace period has passed: whoever
 * maps a page of it from now on knows the flag (kvm_mmu_slot_apply_flags(), 6.12).
 * slots_lock is held.
 */
void mmu_dirty_log_enabled(struct mmu_actor *task, const struct memslot *slot);

/* The same without the flag. */
void mmu_dirty_log_disabled(struct mmu_actor *task, const struct memslot *slot);

#endif
