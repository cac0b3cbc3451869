/*
 * NX huge pages: a huge leaf is never executable, and executed memory is mapped 4K
 *
 * A fetch forbids a huge leaf at each table that it makes on its descent. Where one would have been
 * possible, the table goes on a list, oldest first, from which the recovery takes it to zap it:
 * later reads and writes get huge pages back.
 *
 * Rules
 *   X1  A table's flag is set before the table is linked: an actor that finds the table must not
 *       put a huge leaf in its place (61f94478547b, 6.2).
 *   X2  A table is put on the list after it was linked, under pages_lock, and only if its flag is
 *       still set: an actor that removed it meanwhile has cleared the flag (21a36ac6b6c7, 6.2).
 *   X3  So the list holds linked tables only, and none is freed while on it.
 *   X4  A round flushes for its zaps before it yields and before it leaves its RCU section: the
 *       tables are freed after that (T2 of table.h).
 *   X5  mmu->watched.nx_active changes together with the dropping of all roots, in one exclusive
 *       section of mmu_lock: within a root it is constant.
 *
 * Rules of the levels: kvm_mmu_hugepage_adjust() and disallowed_hugepage_adjust(), Linux
 * arch/x86/kvm/mmu/mmu.c, 6.12; map.c keeps them.
 */
#ifndef TDPSIM_MMU_NX_H
#define TDPSIM_MMU_NX_H

#include "mmu/mmu.h"

/*
 * A round of recovery: zaps the oldest 1/ratio of the list, rounded up. Returns how
 * many tables it took from the list.
 */
uint64_t nx_recover(struct mmu_actor *actor, unsigned int ratio);

/* Drops all roots in the same section (X5). slots_lock is held. */
void nx_set_active(struct mmu_actor *actor, bool active);

#endif
