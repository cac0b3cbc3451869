/*
 * Which page a vCPU accesses in a step of an iteration, and whether it writes. Both are functions
 * of the seed, so that the model can compute them again.
 */
#ifndef BENCH_DIRTYLOG_DRAW_H
#define BENCH_DIRTYLOG_DRAW_H

#include "common/permute.h"
#include "dirtylog/options.h"

struct draw {
	uint64_t pages; /* of the vCPU; also the number of steps */
	uint64_t key;
	struct permutation permutation;
	unsigned int write_percent;
	bool again;    /* any page, drawn before or not */
	bool permuted; /* each page once, in random order */
};

/* Iteration 0 populates: it writes every page in ascending order. */
static inline struct draw draw_of(const struct dirtylog *options, unsigned int vcpu,
				  unsigned int iteration)
{
	const struct guest_options *guest = &options->guest;
	struct draw draw = {.pages = dirtylog_vcpu_pages(options), .write_percent = 100};

	if (iteration == 0)
		return draw;
	draw.key = mix64(mix64(guest->seed ^ (uint64_t)vcpu << 40) + iteration);
	draw.write_percent = guest->write_percent;
	draw.again = options->random_access;
	draw.permuted = guest->order == GUEST_RANDOM;
	if (draw.permuted)
		draw.permutation = permutation_of(draw.pages, draw.key);
	return draw;
}

/* The page of step `i`, relative to the first page of the vCPU. */
static inline uint64_t draw_page(const struct draw *draw, uint64_t i)
{
	if (draw->again)
		return mix64(draw->key + 2 * i + 1) % draw->pages;
	return draw->permuted ? permute(&draw->permutation, i) : i;
}

static inline bool draw_writes(const struct draw *draw, uint64_t i)
{
	return draw->write_percent == 100 || mix64(draw->key + 2 * i) % 100 < draw->write_percent;
}

#endif
