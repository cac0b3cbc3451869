/*
 * A spot: one entry of a tree, its place, and its value when it was last read. Functions that
 * change entries take spots; the iterator and the fault path's own descent make them.
 */
#ifndef TDPSIM_PAGING_SPOT_H
#define TDPSIM_PAGING_SPOT_H

#include "paging/spte.h"
#include "paging/table.h"

struct spot {
	atomic_u64 *slot;
	uint64_t entry;
	tdp_gfn_t gfn; /* first frame that the entry spans */
	unsigned int level;
	unsigned int address_space;
	/* No actor adds entries to the tree any more: its root was invalid when the walk began. */
	bool closed;
};

static inline bool spot_is_leaf(const struct encoding *e, const struct spot *spot)
{
	return spte_leaf(e, spot->entry, spot->level);
}

static inline bool spot_is_table(const struct encoding *e, const struct spot *spot)
{
	return spte_table(e, spot->entry, spot->level);
}

#endif
