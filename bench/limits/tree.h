/*
 * A minimal table of four levels: entries that point to tables, which come one by one from the
 * memory of the ground, and the descent.
 *
 * Levels are 1 (4K) to 4. The address in an entry is a pointer, which costs as much as in a
 * simulator whose host memory is one mapping.
 */
#ifndef BENCH_LIMITS_TREE_H
#define BENCH_LIMITS_TREE_H

#include <string.h>

#include "limits/ground.h"

#define ENTRY_PRESENT 1ULL
#define ENTRY_RIGHTS  7ULL
#define ENTRY_LARGE   (1ULL << 7)
#define ENTRY_FROZEN  0x5a0ULL /* Linux 6.1, REMOVED_SPTE */
#define ENTRY_ADDRESS (~4095ULL)

static inline uint64_t leaf_entry(uint64_t page)
{
	return page << 12 | ENTRY_RIGHTS;
}

static inline uint64_t *entry_at(uint64_t *table, uint64_t page, unsigned int level)
{
	return &table[page >> (9 * (level - 1)) & (ENTRIES - 1)];
}

static inline uint64_t *table_below(uint64_t entry)
{
	return (uint64_t *)(uintptr_t)(entry & ENTRY_ADDRESS);
}

/*
 * Returns the next table of the ground, zeroed. Its memory held another table before, as in a VM
 * that has run for a while. There are enough for all pages of the guest.
 */
static inline uint64_t *take_table(struct ground *ground)
{
	struct table *table = &ground->tables[ground->taken++];

	memset(table, 0, sizeof(*table));
	return table->entries;
}

static inline uint64_t table_entry(const uint64_t *table)
{
	return (uint64_t)(uintptr_t)table | ENTRY_RIGHTS;
}

/*
 * Returns the leaf entry of a page. Links a missing table by one compare-and-swap; returns NULL if
 * another thread was faster.
 */
static inline uint64_t *descend(struct ground *ground, uint64_t *table, uint64_t page)
{
#pragma GCC unroll 3
	for (unsigned int level = 4; level > 1; level--) {
		uint64_t *at = entry_at(table, page, level);
		uint64_t entry = __atomic_load_n(at, __ATOMIC_ACQUIRE);

		if (__builtin_expect(!entry, 0)) {
			uint64_t fresh = table_entry(take_table(ground));

			if (!__atomic_compare_exchange_n(at, &entry, fresh, false, __ATOMIC_SEQ_CST,
							 __ATOMIC_RELAXED))
				return NULL;
			entry = fresh;
		}
		table = table_below(entry);
	}
	return entry_at(table, page, 1);
}

/* Starts a new tree, which has only a root. */
static inline void tree_clear(struct ground *ground)
{
	ground->taken = 0;
	take_table(ground);
}

static inline uint64_t *tree_root(struct ground *ground)
{
	return ground->tables->entries;
}

/* Builds all tables, with empty leaf entries. */
static inline void tree_build(struct ground *ground)
{
	tree_clear(ground);
	for (uint64_t page = 0; page < ground->pages; page += ENTRIES)
		descend(ground, tree_root(ground), page);
}

#endif
