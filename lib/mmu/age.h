/*
 * Ageing: was memory accessed since the last time?
 *
 * The host's process asks about a range of its own addresses, and takes the accessed
 * state away or only looks. Where the CPU keeps accessed flags, A is cleared. Where
 * it does not, an entry loses R, W and X to its software bits (the tracked form,
 * spte.h), and its next touch takes a fast page fault that makes it young again
 * (fast.c). A leaf is one unit, however little of it lies in the range.
 *
 * Rules (kvm_tdp_mmu_age_gfn_range(), kvm_tdp_mmu_test_age_gfn(), kvm_age_gfn())
 *   A1  Policy lockless_age on (6.15): no mmu_lock. The walk is one RCU section over
 *       the valid roots, without references. A goes by one fetch-and. The tracked
 *       form comes by one compare-and-swap, and who loses leaves the entry as it is:
 *       somebody is at work on it, so it is young.
 *   A2  Off (until 6.14): mmu_lock exclusively, all roots of the slot's address
 *       space, invalid ones too (so until 6.12). What is volatile (spte_volatile())
 *       is written by fetch-and or exchange, the rest by a store.
 *   A3  Nobody is flushed and nothing else follows from a change: no gauge moves, no
 *       table dies. A page in use through a TLB may be called old.
 *
 * What may happen between a look at an entry and the write, without mmu_lock
 *   - The hardware sets A or D, or a fast page fault gives back W: a fetch-and takes
 *     A and nothing else, a compare-and-swap loses. No bit is lost.
 *   - The entry is zapped, replaced or split. A compare-and-swap loses, so the tracked
 *     form is only ever made of the leaf that was seen: same frame, and its own
 *     saved rights. A fetch-and takes the bit at A's place from whatever is there:
 *       a new leaf         looks old once, as after an ageing a moment later;
 *       a table's entry    loses A, which nobody reads and the hardware sets again;
 *       a hole             has no such bit;
 *       an MMIO entry      may lose a bit of its generation. A grace period lies
 *                          between a slot's leaf and an MMIO entry of later slots
 *                          (memslot.h), so the entry was made of the slots before or
 *                          after; with a bit less it is of neither, and stale;
 *       a frozen entry     stays frozen, for spte_frozen() does not look at that bit.
 *                          Upstream does, and takes it for a hole (6.15 to 7.0).
 *   - Somebody stores, under the exclusive lock, what he had made of an entry that is
 *     not volatile: A may come back. The page is young for another round.
 *   - The table is unlinked, the root is invalidated. Both stay for the RCU section,
 *     and nothing that is done to their entries matters any more but freezing, above.
 *
 * Order: the look is relaxed, it only feeds the write. The write is a release and
 * an acquire, as every change of an entry. Young or old orders nothing else.
 */
#ifndef TDPSIM_MMU_AGE_H
#define TDPSIM_MMU_AGE_H

#include "mmu/mmu.h"

/*
 * Takes the accessed state of the memory away, or (test) only looks, and no further than to the
 * first leaf that is young. True: a page was young, in whichever slot.
 */
bool mmu_age(struct mmu *mmu, const struct memory_change *change, bool test);

#endif
