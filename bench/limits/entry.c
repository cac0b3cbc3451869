/*
 * Writes of the entries that map a guest, each once: the lower bound for a pass over all its
 * tables, by how an entry is written. `seq` accesses memory in order, as a pass over a range does;
 * `random` in random order, as guests do.
 */
#include <string.h>

#include "limits/ground.h"
#include "limits/probe.h"
#include "limits/tree.h"

static int clear_entries(struct ground *ground)
{
	memset(ground_entries(ground), 0, ground->pages * sizeof(uint64_t));
	return 0;
}

/* Empty entries, as the compare-and-swaps below expect them. */
static bool fill_if_empty(uint64_t *entry, uint64_t page)
{
	uint64_t expected = 0;

	return __atomic_compare_exchange_n(entry, &expected, leaf_entry(page), false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/*
 * Limit of filling a table that no other thread sees: one store for each entry. A relaxed atomic
 * store is the same instruction, but the compiler does not merge them.
 */
static uint64_t seq_plain_store(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		__atomic_store_n(&entries[page], leaf_entry(page), __ATOMIC_RELAXED);
	return ground->pages;
}

/*
 * Limit of removing entries in which others may set bits: a zap, and whatever needs the old value,
 * takes at least one locked instruction.
 */
static uint64_t seq_exchange(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground), seen = 0;

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		seen |= __atomic_exchange_n(&entries[page], leaf_entry(page), __ATOMIC_SEQ_CST);
	return seen ? 0 : ground->pages;
}

/* Limit of installing entries while other threads do so: one compare-and-swap each. */
static uint64_t seq_compare_exchange(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		if (!fill_if_empty(&entries[page], page))
			return 0;
	return ground->pages;
}

/* Likewise, with a load of the expected value. Both use one fetch of the cache line. */
static uint64_t seq_load_compare_exchange(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++) {
		uint64_t old = __atomic_load_n(&entries[page], __ATOMIC_RELAXED);

		if (!__atomic_compare_exchange_n(&entries[page], &old, old | leaf_entry(page),
						 false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return 0;
	}
	return ground->pages;
}

/* Limit of the memory: stores in random order, whose misses the CPU may overlap. */
static uint64_t random_plain_store(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t i = 0; i < ground->pages; i++) {
		uint64_t page = ground->order[i];

		__atomic_store_n(&entries[page], leaf_entry(page), __ATOMIC_RELAXED);
	}
	return ground->pages;
}

/* A locked instruction waits for its cache line; on many CPUs all later ones wait as well. */
static uint64_t random_compare_exchange(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t i = 0; i < ground->pages; i++)
		if (!fill_if_empty(&entries[ground->order[i]], ground->order[i]))
			return 0;
	return ground->pages;
}

/* The rest of that wait if the line is prefetched 16 entries ahead. */
static uint64_t random_prefetched(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t i = 0; i < ground->pages; i++) {
		uint64_t ahead = i + 16 < ground->pages ? i + 16 : i;

		__builtin_prefetch(&entries[ground->order[ahead]], 1);
		if (!fill_if_empty(&entries[ground->order[i]], ground->order[i]))
			return 0;
	}
	return ground->pages;
}

#define ENTRY(text, function)                                                                      \
	{                                                                                          \
		.name = #function, .what = text, .unit = "entry", .prepare = clear_entries,        \
		.loop = function                                                                   \
	}

static const struct probe probes[] = {
	ENTRY("a store to each entry in order", seq_plain_store),
	ENTRY("an atomic exchange of each", seq_exchange),
	ENTRY("a compare-and-swap of each", seq_compare_exchange),
	ENTRY("a load and a compare-and-swap of each", seq_load_compare_exchange),
	ENTRY("a store to each entry, in random order", random_plain_store),
	ENTRY("a compare-and-swap of each, in random order", random_compare_exchange),
	ENTRY("the same, each line prefetched 16 entries ahead", random_prefetched),
};

const struct part part_entry = {
	.name = "entry",
	.what = "writes of entries, each once",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
