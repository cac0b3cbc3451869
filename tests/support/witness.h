/*
 * A witness: walks a VM's tables without a lock and judges what the iterator hands
 * out while others change them.
 *
 * Checked: each step goes to the very next entry, parents first, none twice and
 * none left out (P1 of lib/paging/iter.h); the walk ends (P2); an entry is one
 * that somebody wrote there, never the remains of a freed table (P3, R1).
 */
#ifndef TESTS_SUPPORT_WITNESS_H
#define TESTS_SUPPORT_WITNESS_H

#include "support/stress.h"

/* One walk over [start, start + pages) of an address space. */
int witness_walk(struct player *player, unsigned int address_space, tdp_gfn_t start, uint64_t pages,
		 unsigned int min_level);

#endif
