/*
 * Ageing: was memory accessed since the last time?
 *
 * The host asks about a range of memory, and takes the accessed state away or only looks. Where the
 * CPU keeps accessed flags, A is cleared. Where it does not, an entry loses R, W and X to its
 * software bits (the tracked form, spte.h), and its next touch takes a fast page fault that makes
 * it young again (fast.c). A leaf is one unit, even if only a part of it lies in the range.
 *
 * Rules (kvm_tdp_mmu_age_gfn_range(), kvm_tdp_mmu_test_age_gfn(), kvm_age_gfn())
 *   A1  Policy lockless_age on (6.15): no mmu_lock. The walk is one RCU section over the valid
 *       roots, without references. A is cleared by one fetch-and. The tracked form is made by one
 *       compare-and-swap; if that fails the entry stays as it is: another actor works on it, so it
 *       is young.
 *   A2  Off (until 6.14): mmu_lock exclusively, all roots of the slot's address space, invalid ones
 *       too (so until 6.12). A volatile entry (spte_volatile()) is written by fetch-and or
 *       exchange, any other by a store.
 *   A3  Nothing follows from a change: no flush, no gauge moves, no table dies. A page in use
 *       through a TLB may be called old.
 *
 * What may happen between reading an entry and writing it, without mmu_lock
 *   - The hardware sets A or D, or a fast page fault gives back W: a fetch-and clears A and nothing
 *     else, a compare-and-swap fails. No bit is lost.
 *   - The entry is zapped, replaced or split. A compare-and-swap fails, so the tracked form is only
 *     ever made of the leaf that was read: same frame, and its own saved rights. A fetch-and clears
 *     the bit at A's place in whatever is there:
 *   - a new leaf looks old once, as after an ageing a moment later;
 *   - a table's entry loses A, which no code reads and the hardware sets again;
 *   - a hole has no such bit;
 *   - an MMIO entry may lose a bit of its generation. A grace period lies between a slot's leaf and
 *     an MMIO entry of later slots (memslot.h), so the entry was made of the slots before or after;
 *     with one bit less it is of neither, and stale;
 *   - a frozen entry stays frozen, because spte_frozen() ignores that bit. Upstream does not, and
 *     takes the entry for a hole (6.15 to 7.0).
 *   - Another actor stores, under the exclusive lock, a value made of an entry that is not
 *     volatile: A may come back. The page is young for another round.
 *   - The table is unlinked, the root is invalidated. Both stay for the RCU section, and of later
 *     changes of their entries only freezing matters, see above.
 *
 * Order: the read is relaxed, it only feeds the write. The write is a release and an acquire, as
 * every change of an entry. Young or old orders nothing else.
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
