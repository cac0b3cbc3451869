/*
 * Changing an entry, and the consequences of a change
 *
 * Every change of an entry under mmu_lock goes through one of these functions, so that tracepoints,
 * gauges and the life of tables follow from the transition itself (Linux
 * arch/x86/kvm/mmu/tdp_mmu.c, handle_changed_spte(), 6.12).
 *
 * Rules
 *   C1  A present leaf never changes its frame without being non-present between.
 *   C2  Only the actor that froze an entry replaces it; all others treat it as busy.
 *   C3  After a table is unlinked, each of its entries is frozen. Under the shared lock it is
 *       exchanged with the frozen value until the old value is not one that another actor froze, so
 *       no late compare-and-swap can succeed. In a tree whose root is invalid (R4 of root.h) a hole
 *       is frozen by a store.
 *   C4  Under the exclusive lock an entry that the hardware or a fast page fault may change is
 *       exchanged only if an observer needs the old value; otherwise a store suffices: bits that
 *       they set are lost with the entry, and a later swap of theirs fails.
 */
#ifndef TDPSIM_MMU_CHANGE_H
#define TDPSIM_MMU_CHANGE_H

#include "mmu/held.h"

/* Under the shared lock: false if the entry was no longer spot->entry, which is refreshed. */
bool entry_set_atomic(struct mmu_shared shared, struct spot *spot, uint64_t new);

/* Reports a change to the tracer and the checker. The spot still holds the old value. */
void entry_report(struct mmu_actor *actor, const struct spot *spot, uint64_t new);

/* Every consequence of a change but the gauges and the removal of the table below. */
static inline void entry_report_if_observed(struct mmu_actor *actor, const struct spot *spot,
					    uint64_t new)
{
	if (__builtin_expect(actor->observed, 0))
		entry_report(actor, spot, new);
}

/*
 * entry_set_atomic() of a leaf into an empty entry, which is what most faults do. The spot is
 * passed as a constant, so that it stays in registers unless there is an observer.
 */
static inline bool entry_fill(struct mmu_shared shared, const struct spot *spot, uint64_t leaf)
{
	struct mmu_actor *actor = shared.held.actor;
	uint64_t found = spot->entry;

	if (!u64_cas_acq_rel(spot->slot, &found, leaf))
		return false;
	if (__builtin_expect(actor->observed, 0)) {
		struct spot reported = {
			.slot = spot->slot,
			.entry = spot->entry,
			.gfn = spot->gfn,
			.level = spot->level,
			.address_space = spot->address_space,
		};

		entry_report(actor, &reported, leaf);
	}
	mmu_gauge(actor, gauge_of_leaves(spot->level), 1);
	return true;
}

/* Under the exclusive lock: always succeeds. */
void entry_set(struct mmu_exclusive exclusive, struct spot *spot, uint64_t new);

/* In either mode; under the exclusive lock always true. */
bool entry_change(struct mmu_held held, struct spot *spot, uint64_t new);

/*
 * Under the shared lock: freezes the entry, flushes its range, makes it non-present. False if it
 * had changed. Until 6.9 the table below was removed before the flush (policy zap_flush_first).
 */
bool entry_zap_atomic(struct mmu_shared shared, struct spot *spot);

/* Gives a new table the role and place of the child that the spot's entry will link. */
void entry_prepare_table(struct mmu_actor *actor, const struct spot *spot, struct table *child);

/* Links a new table below the spot's entry; false if the entry had changed. */
bool entry_link_table(struct mmu_held held, struct spot *spot, struct table *table);

#endif
