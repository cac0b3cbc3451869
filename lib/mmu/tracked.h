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
 * Order: the ageing counts before it writes the entry (acquire-release), the vCPU asks
 * for the number before its walk reads it (acquire). A walk that still found the
 * rights therefore has the number of before, or the entry was written before its count
 * was asked for and the walk cannot have found them.
 */
#ifndef TDPSIM_MMU_TRACKED_H
#define TDPSIM_MMU_TRACKED_H

#include <tdpsim/host.h>

#include "platform/atomic.h"

struct tracked {
	atomic_u64 *words; /* immutable; NULL: nothing is counted */
	atomic_u64 all;
};

/* -ENOMEM */
int tracked_init(struct tracked *tracked, struct tdp_host *host);
void tracked_fini(struct tracked *tracked, struct tdp_host *host);

/* A leaf is about to lose its rights. */
void tracked_count(struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn,
		   unsigned int level);

/* Two that differ: there was an ageing of what maps the frame in between. */
uint64_t tracked_number(const struct tracked *tracked, unsigned int address_space, tdp_gfn_t gfn);
/* The same for who does not know his frame: of all. */
uint64_t tracked_number_of_all(const struct tracked *tracked);

#endif
