/*
 * Raw writes of entries: what is stored, and by which instruction. Nothing follows from them here;
 * the consequences of a transition are change.h's.
 */
#ifndef TDPSIM_MMU_ENTRY_H
#define TDPSIM_MMU_ENTRY_H

#include "paging/spte.h"
#include "paging/table.h"

/*
 * Under the shared lock: puts the frozen value in place and returns the old one, so that no late
 * compare-and-swap can succeed (C3 of change.h). Waits for an entry that another actor froze (C2).
 */
uint64_t entry_freeze(const struct encoding *e, atomic_u64 *entry);

/* The same in a closed tree, where no fault maps any more (R4 of root.h): a hole is frozen by a
 * store. */
uint64_t entry_freeze_closed(const struct encoding *e, atomic_u64 *entry);

/*
 * Under the exclusive lock: stores `new` over `old` and returns what it replaced. An entry that the
 * hardware or a fast page fault may change meanwhile is exchanged.
 */
static inline uint64_t entry_store(const struct encoding *e, atomic_u64 *entry, uint64_t old,
				   uint64_t new, unsigned int level)
{
	if (spte_volatile(e, old, level))
		return u64_exchange_acq_rel(entry, new);
	u64_store_release(entry, new);
	return old;
}

/*
 * Under the exclusive lock: stores `new` over the present entries among [from, to) of a table of 4K
 * entries, and returns how many there were. A store is enough where no observer asks for the old
 * value (C4 of change.h).
 */
unsigned int entries_store_over_leaves(const struct encoding *e, atomic_u64 *entries,
				       unsigned int from, unsigned int to, uint64_t new);

/* Under the shared lock: freezes a whole table of 4K entries; returns how many were present. */
unsigned int entries_freeze_leaves(const struct encoding *e, atomic_u64 *entries, bool closed);

#endif
