/*
 * A vCPU enters the MMU and guest mode: its context's beginning and end, its role, the root that it
 * loads, the requests that it serves before it enters.
 */
#ifndef TDPSIM_MMU_ENTER_H
#define TDPSIM_MMU_ENTER_H

#include "mmu/context.h"
#include "mmu/flush.h"

void mmu_context_init(struct mmu_context *context, struct mmu *mmu, unsigned int vcpu,
		      struct tdp_trace_event *events, size_t event_count);
void mmu_context_fini(struct mmu_context *context);

/* Changes the role: the root that is loaded no longer fits and is dropped. */
void mmu_context_set_role(struct mmu_context *context, uint32_t role);

/*
 * Drops the root and what was cached of it; a later load finds it again or makes another
 * (kvm_mmu_unload()).
 */
void mmu_context_unload(struct mmu_context *context);

#define MMU_RING_FULL 1

/*
 * Serves the requests of other actors and makes sure that a root is loaded. To be called before
 * guest mode. -ENOMEM: no frame for a root. MMU_RING_FULL: guest mode must not be entered before
 * entries of the vCPU's dirty ring have been recycled.
 */
int mmu_context_prepare(struct mmu_context *context);

/*
 * Enters guest mode for one attempt, after the flushes that are due. False: there is a request to
 * serve first, the vCPU is not inside.
 */
static inline bool mmu_guest_enter(struct mmu_context *context)
{
	uint64_t generation;

	u64_exchange_seq_cst(&context->inside, u64_load_relaxed(&context->inside) + 1);
	if (__builtin_expect(u32_load_seq_cst(&context->requests) != 0, 0)) {
		u64_store_release(&context->inside, u64_load_relaxed(&context->inside) + 1);
		return false;
	}
	generation = u64_load_seq_cst(&context->flush_generation);
	if (generation != context->flushed) {
		context->flushed = generation;
		mmu_context_flush(context);
	}
	return true;
}

/* Release: the attempt's reads and writes are done before a waiter continues (F1). */
static inline void mmu_guest_leave(struct mmu_context *context)
{
	u64_store_release(&context->inside, u64_load_relaxed(&context->inside) + 1);
}

#endif
