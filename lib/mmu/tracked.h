/*
 * How often what maps a frame was put into the tracked form (age.h); under check, and
 * only where the CPU keeps no accessed flags.
 *
 * Ageing there takes rights away and owes no flush, write protection takes W away
 * and owes one, and a fast page fault gives back what the leaf remembers. From the
 * leaf alone the checker cannot tell which of them took the right that a TLB entry
 * still holds. So it counts: a TLB entry may hold more than its leaf only if there was
 * an ageing since it was made.
 *
 * A number for a frame is the sum of three words, one for each size of leaf, found by
 * a hash; frames that share a word are taken for each other, which may hide a
 * violation, and never makes one.
 *
 * Order: an ageing is counted as begun before it writes the entry and as ended after
 * it (acquire-release). Who walks asks before (acquire) how many have ended. One that
 * takes away what the walk found writes after that, so it is none of those; later, as
 * many or more have begun, and this one.
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

/* Around the write by which a leaf loses its rights, or may. */
void tracked_begin(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		   unsigned int level);
void tracked_end(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		 unsigned int level);

/* Ageings of what maps the frame: if fewer had ended than have begun, one is new. */
uint64_t tracked_ended(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn);
uint64_t tracked_begun(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn);

#endif
