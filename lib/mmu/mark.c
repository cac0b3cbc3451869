/* Marking a page in the log of its slot. See mark.h. */
#include "mmu/mark.h"

#include "mmu/ring.h"
#include "mmu/trace.h"

void mmu_mark_dirty_by(struct mmu_actor *actor, struct mmu_context *writer,
		       const struct memslot *slot, tdp_gfn_t gfn)
{
	if (mmu_tracing(actor))
		trace_mark_dirty(actor, slot, gfn);
	if (!slot || !slot->log_dirty)
		return;
	if (writer && writer->dirty_ring)
		vcpu_ring_push(actor, writer, slot, gfn);
	else if (slot->log->words)
		dirty_log_mark(slot->log, gfn.n - slot->gfn.n);
}

void mmu_mark_dirty(struct mmu_actor *actor, const struct memslot *slot, tdp_gfn_t gfn)
{
	mmu_mark_dirty_by(actor, mmu_context_of(actor), slot, gfn);
}
