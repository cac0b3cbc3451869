/*
 * Changing an entry, and what a change entails
 *
 * Every change of an entry under mmu_lock goes through one of these, so that
 * tracepoints, gauges and the life of tables follow from the transition itself
 * (Linux arch/x86/kvm/mmu/tdp_mmu.c, handle_changed_spte(), 6.12).
 *
 * Rules
 *   C1  A present leaf never changes its frame without being non-present between.
 *   C2  Nobody replaces a frozen entry but who froze it; everybody else takes it
 *       for busy.
 *   C3  What is unlinked from a table's parent is gone over entry by entry: under
 *       the shared lock each is exchanged with the frozen value until what comes
 *       out is not frozen by another, so no late compare-and-swap can succeed.
 *       In a tree whose root is invalid (R4 of root.h) a hole is frozen by a store.
 *   C4  Under the exclusive lock an entry that the hardware or a fast page fault may
 *       change is exchanged only for the sake of who is told what it was: whatever they
 *       set goes with the entry, and a swap of theirs that comes later fails.
 */
#ifndef TDPSIM_MMU_CHANGE_H
#define TDPSIM_MMU_CHANGE_H

#include "mmu/held.h"

/* Under the shared lock: false if the entry was no longer spot->entry, which is refreshed. */
bool entry_set_atomic(struct mmu_shared shared, struct spot *spot, uint64_t new);

/* change.c: who listens is told of a change. The spot still holds the old value. */
void entry_tell(struct mmu_actor *actor, const struct spot *spot, uint64_t new);

/* What every change entails but the gauges and the table below. */
static inline void entry_told(struct mmu_actor *actor, const struct spot *spot, uint64_t new)
{
	if (__builtin_expect(actor->told, 0))
		entry_tell(actor, spot, new);
}

/*
 * entry_set_atomic() of a leaf to where nothing is, which is what most faults do. The
 * spot is handed over as it is, so that it needs no memory unless somebody listens.
 */
static inline bool entry_fill(struct mmu_shared shared, const struct spot *spot, uint64_t leaf)
{
	struct mmu_actor *actor = shared.held.actor;
	uint64_t found = spot->entry;

	if (!u64_cas_acq_rel(spot->slot, &found, leaf))
		return false;
	if (__builtin_expect(actor->told, 0)) {
		struct spot told = {
			.slot = spot->slot,
			.entry = spot->entry,
			.gfn = spot->gfn,
			.level = spot->level,
			.address_space = spot->address_space,
		};

		entry_tell(actor, &told, leaf);
	}
	mmu_gauge(actor, gauge_of_leaves(spot->level), 1);
	return true;
}

/* Under the exclusive lock: always succeeds. */
void entry_set(struct mmu_exclusive exclusive, struct spot *spot, uint64_t new);

/* In whichever mode is held; under the exclusive lock always true. */
bool entry_change(struct mmu_held held, struct spot *spot, uint64_t new);

/*
 * Under the shared lock: freezes the entry, flushes its range, makes it
 * non-present. False if it changed before. Until 6.9 the table below was taken
 * apart before the flush (policy zap_flush_first).
 */
bool entry_zap_atomic(struct mmu_shared shared, struct spot *spot);

/* Makes a new table the child that the spot's entry is to link: its role, its place. */
void entry_prepare_table(struct mmu_actor *actor, const struct spot *spot, struct table *child);

/* Links a new table below the spot's entry; false if the entry changed. */
bool entry_link_table(struct mmu_held held, struct spot *spot, struct table *table);

#endif
