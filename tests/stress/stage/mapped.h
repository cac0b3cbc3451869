/* Which roots map a frame. */
#ifndef TESTS_STRESS_STAGE_MAPPED_H
#define TESTS_STRESS_STAGE_MAPPED_H

#include <tdpsim/tdpsim.h>

/* Whether any root of the address space, valid or not, maps `pfn` at `gfn`. Lockless. */
bool mapped_anywhere(struct tdp_vm *vm, unsigned int address_space, tdp_gfn_t gfn, tdp_pfn_t pfn);

#endif
