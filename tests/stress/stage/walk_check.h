/*
 * Walks the tables of a VM without a lock and checks what the iterator returns while other
 * threads change the tables.
 *
 * Checked: each step goes to the next entry, parents first, without a repetition or a gap
 * (P1 of lib/paging/iter.h); the walk ends (P2); an entry is one that was written there, not
 * the content of a freed table (P3, R1).
 */
#ifndef TESTS_STRESS_STAGE_WALK_CHECK_H
#define TESTS_STRESS_STAGE_WALK_CHECK_H

#include "stress/stage/stress.h"

/* One walk over [start, start + pages) of an address space. */
int walk_check(struct player *player, unsigned int address_space, tdp_gfn_t start, uint64_t pages,
	       unsigned int min_level);

#endif
