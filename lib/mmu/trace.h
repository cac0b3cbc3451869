/*
 * The MMU's events: each function fills in one tracepoint with its actor. The caller tests
 * mmu_tracing() first, so that an idle tracepoint costs a branch.
 */
#ifndef TDPSIM_MMU_TRACE_H
#define TDPSIM_MMU_TRACE_H

#include "guest/dirty_ring.h"
#include "mmu/context.h"

static inline bool mmu_tracing(const struct mmu_actor *actor)
{
	return __builtin_expect(actor->traced, 0);
}

void mmu_trace(struct mmu_actor *actor, struct tdp_trace_event *event);

void trace_spte_changed(struct mmu_actor *actor, unsigned int address_space, tdp_gfn_t gfn,
			uint64_t old, uint64_t new, unsigned int level);
void trace_page(struct mmu_actor *actor, enum tdp_trace_kind kind, const struct table *table,
		bool created);
void trace_spte_requested(struct mmu_actor *actor, tdp_gfn_t gfn, uint64_t pfn, unsigned int level);
void trace_set_spte(struct mmu_actor *actor, const struct spot *spot, uint64_t spte);
void trace_mark_mmio(struct mmu_actor *actor, const struct spot *spot, uint64_t spte);
void trace_check_mmio(struct mmu_actor *actor, uint64_t spte, uint64_t generation, bool valid);
void trace_handle_mmio(struct mmu_actor *actor, uint64_t spte, uint64_t address);
void trace_split(struct mmu_actor *actor, const struct spot *spot, uint64_t huge, int error);
void trace_flush(struct mmu_actor *actor, tdp_gfn_t gfn, uint64_t pages);
void trace_load_root(struct mmu_actor *actor, const struct table *root);
void trace_zap_all_fast(struct mmu_actor *actor);
void trace_mark_dirty(struct mmu_actor *actor, const struct memslot *slot, tdp_gfn_t gfn);
void trace_dirty_ring_push(struct mmu_actor *actor, const struct mmu_context *context,
			   const struct dirty_ring_entry *entry, struct dirty_ring_counts counts);
void trace_dirty_ring_reset(struct mmu_actor *actor, const struct mmu_context *context,
			    struct dirty_ring_counts counts);
void trace_dirty_ring_exit(struct mmu_actor *actor);
void trace_unmap_hva(struct mmu_actor *actor, uint64_t start, uint64_t end);
void trace_age_hva(struct mmu_actor *actor, uint64_t start, uint64_t end);
void trace_test_age_hva(struct mmu_actor *actor, uint64_t hva);

/* The number of a step in tracepoints (policy ret_pf); a negative errno stays. */
int fault_step_number(const struct mmu *mmu, int step);

#endif
