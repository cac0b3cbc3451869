/*
 * Roots: the trees of a VM
 *
 * Life (Linux arch/x86/kvm/mmu/tdp_mmu.c, 6.4 on): a root is created with two references, its first
 * vCPU's and one of the MMU itself, so it waits for reuse until it is invalidated. Invalidating
 * marks it and schedules it for zapping; zapping ends with putting the MMU's reference. The last
 * put unlinks and frees it.
 *
 * Rules
 *   R1  The last put of a valid root is a bug.
 *   R2  A reference is taken only where the count is not zero: a root whose last reference is gone
 *       can still be met on the list.
 *   R3  An invalid root never matches a role, because `invalid` is part of the role.
 *   R4  An actor that invalidates a root raises a request at the vCPUs that have it loaded before
 *       it drops the lock (zap.c). No fault maps anything in an invalid root: it tests under
 *       mmu_lock first (fault_stale()), and the mark is set under mmu_lock exclusively.
 */
#ifndef TDPSIM_MMU_ROOT_H
#define TDPSIM_MMU_ROOT_H

#include "mmu/context.h"

static inline bool root_invalid(const struct table *root)
{
	/* relaxed: exact under mmu_lock, elsewhere tested again under it */
	return u32_load_relaxed(&root->role) & ROLE_INVALID;
}

/* Finds a root of context->role.word, or makes one; a reference. -ENOMEM. */
int root_get(struct mmu_context *context, struct table **root);
void root_put(struct mmu_actor *actor, struct table *root);

/* Which roots a walk over the list wants. */
enum root_filter {
	ROOTS_VALID,
	ROOTS_ALL, /* invalid ones too: their entries still hold pages of the host */
};

#define ANY_ADDRESS_SPACE (-1)

/*
 * The root behind `previous` (NULL: the first) with a reference; puts the one of
 * `previous`. NULL at the end. The caller may drop mmu_lock between two calls. On
 * an early exit the caller puts the current one.
 */
struct table *root_next(struct mmu_actor *actor, struct table *previous, enum root_filter filter,
			int address_space);

/*
 * The same without references: inside one RCU section from the first call to the last
 * use of a root. A root may become invalid, or lose its last reference, meanwhile.
 */
const struct table *root_next_unheld(const struct mmu *mmu, const struct table *previous,
				     enum root_filter filter, int address_space);

/* Marks all valid roots invalid and schedules them. slots_lock is held, or nobody runs. */
void roots_invalidate(struct mmu_exclusive exclusive);

#endif
