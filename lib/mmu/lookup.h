/* Lockless lookups: which entry a frame's translation ends at. Inside an RCU section. */
#ifndef TDPSIM_MMU_LOOKUP_H
#define TDPSIM_MMU_LOOKUP_H

#include "mmu/mmu.h"

struct lookup {
	atomic_u64 *slot;
	uint64_t entry; /* its value */
	unsigned int level;
};

/* The entry where the descent to `gfn` ends: a leaf, or the first entry that links no table. */
static inline struct lookup lookup_last(const struct mmu *mmu, const struct table *root,
					tdp_gfn_t gfn)
{
	const struct encoding *e = &mmu->encoding;
	atomic_u64 *table = table_entries(mmu->host, root);
	struct lookup found = {.level = table_level(root)};

	for (;; found.level--) {
		found.slot = table + entry_index(gfn.n, found.level);
		found.entry = u64_load_acquire(found.slot); /* T1 of table.h */
		if (!spte_table(e, found.entry, found.level) ||
		    !table_is_linked(mmu->host, found.entry, gfn, found.level))
			break;
		table = table_linked(mmu->host, found.entry);
	}
	table_meet(mmu->host, found.entry);
	return found;
}

/* The entries of the 4K table that maps `gfn`, or NULL if there is none. */
static inline atomic_u64 *lookup_leaf_table(const struct mmu *mmu, const struct table *root,
					    tdp_gfn_t gfn)
{
	struct lookup found = lookup_last(mmu, root, gfn);

	return found.level == TDP_4K ? found.slot - entry_index(gfn.n, TDP_4K) : NULL;
}

/* Has a present entry bits set that the hardware reserves at its level? */
bool lookup_reserved(const struct mmu *mmu, uint64_t spte, unsigned int level);

#endif
