/* Splitting a huge leaf in place. */
#ifndef TDPSIM_MMU_SPLIT_H
#define TDPSIM_MMU_SPLIT_H

#include "mmu/change.h"

/*
 * Replaces the huge leaf at the spot by `table`, filled with 512 entries that map the
 * same, one level down. Owes no flush: old and new translations agree. False if
 * the entry changed; the table is then still the caller's, its content spoilt.
 */
bool mmu_split_leaf(struct mmu_held held, struct spot *spot, struct table *table);

#endif
