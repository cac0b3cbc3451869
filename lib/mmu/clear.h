/*
 * Clearing bits of leaves: W, MMU-writable and D, to protect pages or to log them again. An entry
 * at a time, and in bulk. Bits are only taken away, so nothing follows but the observers' reports.
 */
#ifndef TDPSIM_MMU_CLEAR_H
#define TDPSIM_MMU_CLEAR_H

#include "mmu/held.h"

/*
 * Clears bits of a present leaf and no others: bits that the hardware or a fast page fault sets
 * meanwhile stay. Any other entry is left alone. spot->entry is then the value of the slot.
 */
void entry_clear_bits(struct mmu_held held, struct spot *spot, uint64_t bits);

/* The same for the entries [from, to) of a level-1 table. */
void entries_clear_bits(struct mmu_shared shared, const struct spot *parent, atomic_u64 *entries,
			unsigned int from, unsigned int to, uint64_t bits);

/* The same for the entries `from` + i for which bit i of `mask` is set. */
void entries_clear_masked(struct mmu_exclusive exclusive, const struct spot *parent,
			  atomic_u64 *entries, unsigned int from, uint64_t mask, uint64_t bits);

#endif
