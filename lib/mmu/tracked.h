/*
 * How often the leaf of a frame was put into the tracked form (age.h); under check, and only where
 * the CPU keeps no accessed flags.
 *
 * Ageing there clears rights and owes no flush, write protection clears W and owes one, and a fast
 * page fault gives back the saved rights. The leaf alone does not show which of them cleared a
 * right that a TLB entry still holds. So ageings are counted: a TLB entry may hold more rights than
 * its leaf only if the leaf was aged since the TLB entry was made.
 *
 * The number of a frame is the sum of three words, one for each size of leaf, found by a hash.
 * Frames that share a word are confused, which may hide a violation and never makes one.
 *
 * Order: an ageing is counted as begun before it writes the entry and as ended after it
 * (acquire-release). A walker reads before its walk (acquire) how many have ended. An ageing that
 * clears a right which the walk found writes after that, so it is none of those; a later reader
 * finds that at least as many have begun, and this one.
 */
#ifndef TDPSIM_MMU_TRACKED_H
#define TDPSIM_MMU_TRACKED_H

#include <tdpsim/host.h>

#include "platform/atomic.h"

struct tracked_count {
	atomic_u64 begun, ended;
};

struct tracked {
	struct tracked_count *counts; /* immutable; NULL: nothing is counted */
	struct tracked_count all;
};

/* -ENOMEM */
int tracked_init(struct tracked *tracked, struct tdp_host *host);
void tracked_fini(struct tracked *tracked, struct tdp_host *host);

/* Brackets around the write by which a leaf loses its rights, or may. */
void tracked_begin(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		   unsigned int level);
void tracked_end(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		 unsigned int level);

/* Ageings of the leaf of a frame: if fewer had ended than have begun, one is new. */
uint64_t tracked_ended(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn);
uint64_t tracked_begun(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn);

#endif
