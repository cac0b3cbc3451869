/*
 * Giving a right to write back: what most fast faults (fast.c) come to. A 4K leaf is
 * there, its right was taken away for the log and may be given back, the CPU keeps
 * accessed flags itself, and nobody listens. Whatever is not so, or was not done because
 * somebody was faster, is for fault_fast(), which begins again; where both can do it
 * they do the same.
 */
#ifndef TDPSIM_MMU_UNPROTECT_H
#define TDPSIM_MMU_UNPROTECT_H

#include "mmu/fill.h"
#include "mmu/mark.h"

static inline void unprotect_mark(struct mmu_context *context, const struct memslot *slot,
				  tdp_gfn_t gfn)
{
	if (!slot || !slot->log_dirty)
		return;
	if (context->dirty_ring || !slot->log->words)
		mmu_mark_dirty_by(&context->actor, context, slot, gfn);
	else
		dirty_log_mark(slot->log, gfn.n - slot->gfn.n);
}

/* FIXED, or INVALID and nothing was done. */
static inline int unprotect_leaf(struct mmu_context *context, const struct memslot *slot,
				 tdp_gfn_t gfn)
{
	const struct encoding *e = &context->actor.mmu->encoding;
	const uint64_t refused = e->mmu_present | e->mmu_writable;
	struct way way;
	uint64_t entry;

	if (context->actor.told || !e->hardware_ad)
		return STEP_INVALID;
	way = fill_way(context, gfn);
	if (way.level != TDP_4K)
		return STEP_INVALID;
	entry = u64_load_relaxed(way.slot); /* feeds the swap */
	if ((entry & (refused | e->write)) != refused ||
	    !u64_cas_acq_rel(way.slot, &entry, entry | e->write))
		return STEP_INVALID;
	unprotect_mark(context, slot, gfn); /* after the swap: D2 of dirty.h */
	counter_bump(&context->counters.pf_fast);
	return STEP_FIXED;
}

#endif
