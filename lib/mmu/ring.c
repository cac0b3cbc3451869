/* Dirty rings as the MMU uses them. See ring.h. */
#include "mmu/ring.h"

#include <errno.h>

#include "guest/dirty_ring.h"
#include "mmu/flush.h"
#include "mmu/trace.h"

int vcpu_ring_create(struct mmu_context *context, struct mmu *mmu)
{
	if (!mmu->logging.ring)
		return 0;
	context->dirty_ring =
		dirty_ring_create(mmu->host, mmu->logging.ring, mmu->logging.ring_reserved);
	return context->dirty_ring ? 0 : -ENOMEM;
}

void vcpu_ring_destroy(struct mmu_context *context)
{
	dirty_ring_destroy(context->dirty_ring);
	context->dirty_ring = NULL;
}

void vcpu_ring_push(struct mmu_actor *actor, struct mmu_context *context,
		    const struct memslot *slot, tdp_gfn_t gfn)
{
	struct dirty_ring_entry entry = {
		.offset = gfn.n - slot->gfn.n,
		.slot = slot->id,
		.address_space = slot->address_space,
	};
	struct dirty_ring_counts counts = dirty_ring_push(context->dirty_ring, &entry);

	if (mmu_tracing(actor))
		trace_dirty_ring_push(actor, context, &entry, counts);
	if (dirty_ring_is_full(context->dirty_ring, counts))
		u32_or_seq_cst(&context->requests, REQUEST_DIRTY_RING_FULL);
}

bool vcpu_ring_is_full(const struct mmu_context *context)
{
	return dirty_ring_is_full(context->dirty_ring, dirty_ring_counts(context->dirty_ring));
}

bool vcpu_ring_has_room(const struct mmu_context *context)
{
	struct dirty_ring_counts counts;

	if (!context->dirty_ring)
		return true;
	counts = dirty_ring_counts(context->dirty_ring);
	return counts.dirty - counts.reset < context->dirty_ring->size;
}
