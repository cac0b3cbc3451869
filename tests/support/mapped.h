/* Who still maps a frame, of all roots there are. */
#ifndef TESTS_SUPPORT_MAPPED_H
#define TESTS_SUPPORT_MAPPED_H

#include <tdpsim/tdpsim.h>

/* Does any root of the address space, valid or not, map `pfn` at `gfn`? Lockless. */
bool mapped_anywhere(struct tdp_vm *vm, unsigned int address_space, tdp_gfn_t gfn, tdp_pfn_t pfn);

#endif
