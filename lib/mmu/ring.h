/*
 * Dirty rings as the MMU uses them: a page is pushed when it is marked; ring_reset.h protects it
 * again after user space has harvested it (kvm_dirty_ring_reset(), 6.12)
 */
#ifndef TDPSIM_MMU_RING_H
#define TDPSIM_MMU_RING_H

#include "mmu/context.h"

/* For a vCPU whose context is not linked yet. -ENOMEM. */
int vcpu_ring_create(struct mmu_context *context, struct mmu *mmu);
void vcpu_ring_destroy(struct mmu_context *context);

/* A page of a logged slot was written by the vCPU; `actor` acts. */
void vcpu_ring_push(struct mmu_actor *actor, struct mmu_context *context,
		    const struct memslot *slot, tdp_gfn_t gfn);

/* Must entries be recycled before the vCPU may enter guest mode? (B1 of dirty_ring.h) */
bool vcpu_ring_is_full(const struct mmu_context *context);

/* Is there room for what one fault may push? Without entering guest mode there may be none. */
bool vcpu_ring_has_room(const struct mmu_context *context);

#endif
