/* Pages grow old: what an ageing host does to an entry, by the test's own hand. */
#ifndef TESTS_SUPPORT_OLD_H
#define TESTS_SUPPORT_OLD_H

#include "support/stress.h"

/*
 * Where the CPU has no accessed flag: the leaf that address space 0 has for `gfn` loses
 * all rights by compare-and-swap, as in kvm_tdp_mmu_age_gfn_range(), 6.12, and the
 * next access gives them back without mmu_lock (lib/mmu/fast.c).
 */
void grow_old(struct stress *stress, tdp_gfn_t gfn);

#endif
