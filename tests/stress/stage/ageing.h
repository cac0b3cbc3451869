/* Ages a page as a host without accessed flags does, by a direct change of the entry. */
#ifndef TESTS_STRESS_STAGE_AGEING_H
#define TESTS_STRESS_STAGE_AGEING_H

#include "stress/stage/stress.h"

/*
 * Removes all rights from the leaf that maps `gfn` in address space 0, by compare-and-swap, as
 * kvm_tdp_mmu_age_gfn_range() of 6.12 does on a CPU without accessed flags. The next access
 * restores them by a fast page fault (lib/mmu/fast.c).
 */
void age_page(struct stress *stress, tdp_gfn_t gfn);

#endif
