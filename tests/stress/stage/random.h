/*
 * The random numbers of a run, which depend on its seed alone.
 */
#ifndef TESTS_STRESS_STAGE_RANDOM_H
#define TESTS_STRESS_STAGE_RANDOM_H

#include <stdint.h>

/* Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014: splitmix64. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

#endif
