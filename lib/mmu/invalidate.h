/*
 * Invalidations: memory changes hands under the guest
 *
 * Between begin and end nothing of the range is mapped. A fault takes a snapshot of `seq` before it
 * asks for the page, and compares under mmu_lock before it maps it.
 *
 * Promises
 *   N1  After mmu_invalidate_begin() returns, no entry of any root, valid or not, and no TLB maps
 *       the range, and none will until the end (with N2).
 *   N2  A fault that got its page before the change either fails the comparison, or had mapped the
 *       page before the unmap, which undid it.
 *
 * Rules: Linux virt/kvm/kvm_main.c and include/linux/kvm_host.h, mmu_invalidate_retry_gfn(), 6.12.
 */
#ifndef TDPSIM_MMU_INVALIDATE_H
#define TDPSIM_MMU_INVALIDATE_H

#include "mmu/held.h"
#include "mmu/zap.h"

void invalidation_begin(struct mmu_exclusive exclusive);
void invalidation_add(struct mmu_exclusive exclusive, struct gfn_range range);
void invalidation_end(struct mmu_exclusive exclusive);

/* The snapshot of a fault; acquire, so that the page is asked for later. */
static inline uint64_t invalidation_snapshot(const struct mmu *mmu)
{
	return u64_load_acquire(&mmu->watched.invalidation.seq);
}

/* Is the frame being invalidated? Exact under mmu_lock, a hint without it. */
static inline bool invalidation_covers(const struct mmu *mmu, tdp_gfn_t gfn)
{
	const struct invalidation *invalidation = &mmu->watched.invalidation;

	return __builtin_expect(u64_load_acquire(&invalidation->in_progress) != 0, 0) &&
	       gfn.n >= u64_load_acquire(&invalidation->first) &&
	       gfn.n < u64_load_acquire(&invalidation->past);
}

/* Must the fault start again? Exact under mmu_lock, a hint without it. */
static inline bool invalidation_hits(const struct mmu *mmu, uint64_t snapshot, tdp_gfn_t gfn)
{
	return invalidation_covers(mmu, gfn) ||
	       __builtin_expect(u64_load_acquire(&mmu->watched.invalidation.seq) != snapshot, 0);
}

/* The two halves of a notifier pair. */
void mmu_invalidate_begin(struct mmu *mmu, const struct memory_change *change);
void mmu_invalidate_end(struct mmu *mmu, const struct memory_change *change);

/* For changes that are not the host's: brackets itself as an invalidation, and flushes. */
void mmu_zap_range(struct mmu_actor *actor, struct gfn_range range);

#endif
