/*
 * Dirty logging: from a write to the log, and back to a page that can be logged again
 *
 * Rules
 *   D1  A leaf that lets a logged page be written is marked before it can be seen (make_spte(),
 *       Linux arch/x86/kvm/mmu/spte.c, 6.12). Marking and installing happen under mmu_lock, shared;
 *       an actor that takes marks holds it exclusively, so it finds both or neither.
 *   D2  A page is marked after a right to write was given back without mmu_lock
 *       (fast_pf_fix_direct_spte()). If it were marked before, a reader could take the mark in
 *       between and find no right to take away. So another vCPU may write through the entry a
 *       moment before the mark: a reader of the log sees that write once the fault has returned.
 *   D3  Marks are taken before their pages are protected again, both in one exclusive section of
 *       mmu_lock. A page that is marked in between is protected and stays marked: reported once too
 *       often, never once too little. A split in between drops the lock to allocate its tables:
 *       writes by rights that remain meanwhile end with the flush, before the caller copies the
 *       page.
 *   D4  Logging begins with a grace period after the flag was published; then every leaf is
 *       protected, then TLBs are flushed. An actor that mapped a page by the old slot did so before
 *       the pass over the leaves, and writes by that mapping end with the flush.
 */
#ifndef TDPSIM_MMU_DIRTY_H
#define TDPSIM_MMU_DIRTY_H

#include "mmu/context.h"

/*
 * Protects again the pages `first` + i of a slot for which bit i of `mask` is set. Inside a pass,
 * whose flush is the caller's.
 */
void mmu_dirty_protect(struct mmu_actor *task, const struct memslot *slot, uint64_t first,
		       uint64_t mask);

/*
 * Brackets around passes that protect leaves and the flush that ends them (P3 of protect.h). When a
 * log begins, the brackets enclose the publishing of the slot too: faults that know of the log
 * clear D (P4) before the passes do.
 */
void mmu_dirty_pass_begin(struct mmu *mmu);
void mmu_dirty_pass_end(struct mmu *mmu);

/*
 * Reading and clearing a slot's bitmap (kvm_get_dirty_log_protect(),
 * kvm_clear_dirty_log_protect(), 6.12). slots_lock is held; mmu_lock is taken
 * exclusively, and dropped before the flush that is owed if a mark was taken.
 */
void mmu_dirty_log_read(struct mmu_actor *task, const struct memslot *slot, uint64_t *bitmap);
/* The pages of `bitmap`, whose bit 0 is page `first`, of `pages`; see tdpsim/dirty.h. */
void mmu_dirty_log_clear(struct mmu_actor *task, const struct memslot *slot, uint64_t first,
			 uint64_t pages, const uint64_t *bitmap);

/*
 * The slot has been published with the flag, and a grace period has passed: every actor that maps a
 * page of it from now on knows the flag (kvm_mmu_slot_apply_flags(), 6.12). slots_lock is held.
 */
void mmu_dirty_log_enabled(struct mmu_actor *task, const struct memslot *slot);

/* The same without the flag. */
void mmu_dirty_log_disabled(struct mmu_actor *task, const struct memslot *slot);

#endif
