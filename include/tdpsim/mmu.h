#ifndef TDPSIM_MMU_H
#define TDPSIM_MMU_H

#include <tdpsim/vm.h>

/**
 * Drops all roots at once (kvm_mmu_zap_all_fast): marks them invalid, makes every
 * vCPU leave its root, then zaps them under the shared lock. Meanwhile vCPUs run and
 * fault their memory into new roots.
 */
TDP_API void tdp_mmu_zap_all_fast(struct tdp_vm *vm);

/** Zaps the leaves of [gfn, gfn + pages) in all address spaces (kvm_zap_gfn_range). */
TDP_API void tdp_mmu_zap_range(struct tdp_vm *vm, tdp_gfn_t gfn, uint64_t pages);

/** The level at which a valid root of `address_space` maps `gfn`, or TDP_NOT_MAPPED. */
TDP_API enum tdp_level tdp_mmu_mapped_level(struct tdp_vm *vm, unsigned int address_space,
					    tdp_gfn_t gfn);

#endif
