/*
 * Sets of guest pages: page i is bit i % 64 of word i / 64.
 */
#ifndef BENCH_DIRTYLOG_BITS_H
#define BENCH_DIRTYLOG_BITS_H

#include <stdbool.h>
#include <stdint.h>

static inline bool bit_test(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static inline void bit_set(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline uint64_t bits_count(const uint64_t *bits, uint64_t pages)
{
	uint64_t count = 0;

	for (uint64_t word = 0; word < (pages + 63) / 64; word++)
		count += (uint64_t)__builtin_popcountll(bits[word]);
	return count;
}

#endif
