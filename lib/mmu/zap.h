/*
 * Zapping: leaves of a range, whole roots, all roots
 *
 * Rules
 *   Z1  Leaves zapped in a valid root owe a flush before mmu_lock is dropped
 *       (kvm_tdp_mmu_zap_leafs()). Invalid roots owe none: no vCPU has them loaded (R4 of root.h),
 *       and loading another flushes.
 *   Z2  Memory that the host is about to free is zapped in invalid roots too: their entries still
 *       refer to it.
 *   Z3  A root that is being zapped has a reference, so that it stays on the list, where the host's
 *       invalidations find it, while the zapper yields.
 */
#ifndef TDPSIM_MMU_ZAP_H
#define TDPSIM_MMU_ZAP_H

#include "mmu/root.h"

struct gfn_range {
	tdp_gfn_t first, past;
};

/*
 * Zaps every leaf that maps part of the range, huge ones whole; tables stay. True if a flush is
 * owed; `flush` says whether one was owed before.
 */
bool mmu_zap_leaves(struct mmu_exclusive exclusive, struct table *root, struct gfn_range range,
		    bool may_yield, bool flush);

/* The same in the roots of one address space, or of all. */
bool mmu_zap_leaves_in(struct mmu_exclusive exclusive, enum root_filter filter, int address_space,
		       struct gfn_range range, bool may_yield);

/* Makes everything under the root non-present; the caller has a reference (Z3). No flush. */
void mmu_zap_root(struct mmu_held held, struct table *root);

/* Zaps all roots, when no vCPU will run again. */
void mmu_zap_all(struct mmu_actor *actor);

/*
 * Invalidates all roots, makes the vCPUs leave them, and zaps them under the
 * shared lock while the vCPUs run on. slots_lock is held.
 */
void mmu_zap_all_fast(struct mmu_actor *actor);

/*
 * Its first half, for an actor that changes something else under the same lock. No vCPU runs on an
 * invalid root after it; mmu_zap_invalidated_roots() is due.
 */
void mmu_drop_roots(struct mmu_exclusive exclusive);

/* Zaps the roots that are scheduled and puts the MMU's reference. slots_lock is held. */
void mmu_zap_invalidated_roots(struct mmu_actor *actor);

#endif
