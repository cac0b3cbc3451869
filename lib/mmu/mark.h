/* Marking a page in the log of its slot. The rules are dirty.h's (D1, D2). */
#ifndef TDPSIM_MMU_MARK_H
#define TDPSIM_MMU_MARK_H

#include "mmu/context.h"

/*
 * Puts a page in its slot's log, if that has one (mark_page_dirty_in_slot()): into the
 * ring of the vCPU that writes, where there are rings, or the bitmap. Inside an RCU
 * section; `slot` may be NULL.
 */
void mmu_mark_dirty(struct mmu_actor *actor, const struct memslot *slot, tdp_gfn_t gfn);
/* The same for a write of `writer` (NULL: no vCPU) that another may have found. */
void mmu_mark_dirty_by(struct mmu_actor *actor, struct mmu_context *writer,
		       const struct memslot *slot, tdp_gfn_t gfn);

#endif
