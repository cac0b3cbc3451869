/*
 * Remote TLB flushes and requests
 *
 * A flush is a protocol, not a counter. A vCPU marks itself inside guest mode for
 * one attempt at an access (context.h). The flusher raises each vCPU's flush
 * generation and then waits for those that are inside.
 *
 * Promises
 *   F1  When a flush returns, no access that began before it is still under way,
 *       and every later one finds nothing in its TLB that is older and was to go.
 *   F2  A vCPU that handles a fault is never waited for, so flushing under
 *       mmu_lock cannot deadlock with it.
 *
 * Order: the flusher's raise and its look at `inside`, the vCPU's mark and its
 * look at the generation are all sequentially consistent: either the flusher
 * sees the vCPU inside, or the vCPU sees the raised generation.
 */
#ifndef TDPSIM_MMU_FLUSH_H
#define TDPSIM_MMU_FLUSH_H

#include "mmu/mmu.h"

enum mmu_request {
	REQUEST_FREE_OBSOLETE_ROOTS = 1,
	REQUEST_DIRTY_RING_FULL = 2, /* test it; stays until entries are recycled */
	REQUEST_HANDOVER = 4,	     /* an actor waits for a thread without a CPU (handover.h) */
};

/* Every vCPU of the VM, everything. */
void mmu_flush_all(struct mmu_actor *actor);

/*
 * On bare-metal x86 a range flush is a full one, and the range is for tracepoints.
 * Under policy range_flush exact it takes from the TLBs what lies in the range.
 */
void mmu_flush_range(struct mmu_actor *actor, tdp_gfn_t gfn, uint64_t pages);

/* Waits until the vCPU, or every one, has left guest mode; it may come back at once. */
void mmu_kick(struct mmu_context *context);
void mmu_kick_all(struct mmu_actor *actor);

/* Makes every vCPU leave guest mode and serve `request` before it comes back. */
void mmu_request_all(struct mmu_actor *actor, enum mmu_request request);

/* Makes the flushes of the vCPU's own TLB that are due; called on entry. */
void mmu_context_flush(struct mmu_context *context);

#endif
