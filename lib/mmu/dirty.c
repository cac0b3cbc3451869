/* Dirty logging: marking pages, and a slot's flag. See dirty.h. */
#include "mmu/dirty.h"

#include "mmu/trace.h"

void mmu_mark_dirty(struct mmu_actor *actor, const struct memslot *slot, tdp_gfn_t gfn)
{
	if (mmu_tracing(actor))
		trace_mark_dirty(actor, slot, gfn);
	if (slot && slot->log && slot->log->words)
		dirty_log_mark(slot->log, gfn.n - slot->gfn.n);
}

void mmu_dirty_log_enabled(struct mmu_actor *task, const struct memslot *slot)
{
	(void)task;
	(void)slot;
}

void mmu_dirty_log_disabled(struct mmu_actor *task, const struct memslot *slot)
{
	(void)task;
	(void)slot;
}
