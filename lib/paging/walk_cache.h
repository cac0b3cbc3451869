/*
 * The paging-structure cache of a vCPU (SDM vol. 3, 29.4.2; APM vol. 2, 5.5.3)
 *
 * Keeps, for a region of guest-physical space under one root, the table that the second-level walk
 * reached there and the rights that the entries above it granted, so that a TLB miss starts lower
 * down. Used by its vCPU alone.
 *
 * Rules
 *   C1  It holds only entries that a successful walk used: present, not misconfigured, and with the
 *       accessed flag set (where flags are kept), so that skipping the entry skips no work of the
 *       walk.
 *   C2  It holds nothing about entries that are not present: adding to the tables needs no flush.
 *   C3  A table may be freed only after the flush that its unlinking owes; the cache is flushed
 *       together with the TLB (tlb_flush(), tlb_flush_range()).
 *   C4  A walk that is refused drops what is cached for its address, as a violation does (SDM vol.
 *       3, 29.4.3.1).
 *   C5  All walks under one root use the same walker.
 */
#ifndef TDPSIM_PAGING_WALK_CACHE_H
#define TDPSIM_PAGING_WALK_CACHE_H

#include <string.h>

#include <tdpsim/types.h>

#define WALK_CACHE_LEVELS 4  /* tables at levels 1 to 4 */
#define WALK_CACHE_WAYS	  16 /* chosen by region; a power of two */

struct walk_cache_entry {
	uint64_t region; /* gfn >> 9 * level of the table */
	uint64_t root;
	uint64_t table;	 /* pfn */
	uint64_t rights; /* of all entries above the table, as walk.c combines them */
	uint32_t epoch;
};

struct walk_cache {
	struct walk_cache_entry entries[WALK_CACHE_LEVELS][WALK_CACHE_WAYS];
	uint32_t epoch; /* entries of another epoch are invalid; never 0 */
	bool empty;	/* no entry was put in during this epoch */
};

static inline void walk_cache_init(struct walk_cache *cache)
{
	memset(cache, 0, sizeof(*cache));
	cache->epoch = 1;
	cache->empty = true;
}

static inline void walk_cache_flush(struct walk_cache *cache)
{
	if (cache->empty)
		return;
	cache->empty = true;
	/* An entry of an epoch 2^32 flushes ago must not count as current. */
	if (++cache->epoch == 0)
		walk_cache_init(cache);
}

/* Drops the entries for tables that span part of [first, past). */
static inline void walk_cache_flush_range(struct walk_cache *cache, uint64_t first, uint64_t past)
{
	for (unsigned int level = 1; level <= WALK_CACHE_LEVELS && !cache->empty; level++)
		for (unsigned int way = 0; way < WALK_CACHE_WAYS; way++) {
			struct walk_cache_entry *entry = &cache->entries[level - 1][way];
			uint64_t begin = entry->region << (9 * level);

			if (begin < past && first < begin + (1ULL << (9 * level)))
				entry->epoch = 0;
		}
}

static inline struct walk_cache_entry *walk_cache_slot(struct walk_cache *cache, uint64_t gfn,
						       unsigned int level)
{
	return &cache->entries[level - 1][(gfn >> (9 * level)) & (WALK_CACHE_WAYS - 1)];
}

/* The table at `level` for `gfn` under `root`, or NULL. */
static inline const struct walk_cache_entry *walk_cache_find(struct walk_cache *cache,
							     uint64_t root, uint64_t gfn,
							     unsigned int level)
{
	const struct walk_cache_entry *entry = walk_cache_slot(cache, gfn, level);

	if (entry->region != gfn >> (9 * level) || entry->epoch != cache->epoch ||
	    entry->root != root)
		return NULL;
	return entry;
}

static inline void walk_cache_forget(struct walk_cache *cache, uint64_t gfn)
{
	for (unsigned int level = 1; level <= WALK_CACHE_LEVELS; level++)
		walk_cache_slot(cache, gfn, level)->epoch = 0;
}

static inline void walk_cache_put(struct walk_cache *cache, uint64_t root, uint64_t gfn,
				  unsigned int level, uint64_t table, uint64_t rights)
{
	struct walk_cache_entry *entry = walk_cache_slot(cache, gfn, level);

	entry->region = gfn >> (9 * level);
	entry->root = root;
	entry->table = table;
	entry->rights = rights;
	entry->epoch = cache->epoch;
	cache->empty = false;
}

#endif
