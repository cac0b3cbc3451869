/*
 * A seeded permutation of [0, count) without a table: a Feistel network of four
 * rounds over the smallest even number of bits that holds count, applied again until the result is
 * in the range (fewer than four times on average).
 */
#ifndef BENCH_PERMUTE_H
#define BENCH_PERMUTE_H

#include <stdint.h>

struct permutation {
	uint64_t count;
	uint64_t key;
	unsigned int half; /* bits of each half */
};

/* The finaliser of splitmix64: every bit of the input reaches every bit of the output. */
static inline uint64_t mix64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* `count` is at most 2^62. */
static inline struct permutation permutation_of(uint64_t count, uint64_t key)
{
	struct permutation permutation = {.count = count, .key = key, .half = 1};

	while (((uint64_t)1 << (2 * permutation.half)) < count)
		permutation.half++;
	return permutation;
}

/* What `i` (below count) is mapped to. */
static inline uint64_t permute(const struct permutation *permutation, uint64_t i)
{
	uint64_t mask = ((uint64_t)1 << permutation->half) - 1;

	do {
		uint64_t left = i >> permutation->half, right = i & mask;

		for (unsigned int round = 0; round < 4; round++) {
			uint64_t next =
				left ^ (mix64(permutation->key + round + (right << 2)) & mask);

			left = right;
			right = next;
		}
		i = left << permutation->half | right;
	} while (i >= permutation->count);
	return i;
}

#endif
