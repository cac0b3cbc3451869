/*
 * Allocation of a zeroed table: the lower bound for a fault that needs one, by the source of the
 * page. At 4K one fault in 512 needs one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "limits/ground.h"
#include "limits/probe.h"

#define TABLES_MOST ((size_t)8192) /* 32 MiB, besides those of the ground */
#define TABLES_HOT  ((size_t)64)   /* fit in a second-level cache */

static size_t table_count(const struct ground *ground)
{
	size_t leaves = ground->pages / ENTRIES;

	return leaves < TABLES_MOST ? leaves : TABLES_MOST;
}

/* Limit of tables from malloc. They are kept in a list through their first words. */
static uint64_t table_malloc(struct ground *ground, unsigned int thread)
{
	size_t count = table_count(ground);

	(void)thread;
	for (size_t i = 0; i < count; i++) {
		void **table = aligned_alloc(TABLE_SIZE, TABLE_SIZE);

		if (!table)
			return 0;
		memset(table, 0, TABLE_SIZE);
		*table = ground->extra;
		ground->extra = table;
	}
	return count;
}

static void free_list(struct ground *ground)
{
	while (ground->extra) {
		void **table = ground->extra;

		ground->extra = *table;
		free(table);
	}
}

static int map_fresh(struct ground *ground, bool small_pages)
{
	ground->extra = memory_map(table_count(ground) * TABLE_SIZE, small_pages);
	return ground->extra ? 0 : -ENOMEM;
}

static int map_small(struct ground *ground)
{
	return map_fresh(ground, true);
}

static int map_huge(struct ground *ground)
{
	return map_fresh(ground, false);
}

static void unmap_fresh(struct ground *ground)
{
	memory_unmap(ground->extra, table_count(ground) * TABLE_SIZE);
	ground->extra = NULL;
}

/* Limit of new memory: page fault and zeroing by the kernel. */
static uint64_t touch_fresh(struct ground *ground, unsigned int thread)
{
	size_t count = table_count(ground);
	char *memory = ground->extra;

	(void)thread;
	for (size_t i = 0; i < count; i++)
		__atomic_store_n(memory + i * TABLE_SIZE, 1, __ATOMIC_RELAXED);
	return count;
}

/* Limit of a pool of used tables, as large as the guest needs: zeroing and cache misses. */
static uint64_t table_recycled(struct ground *ground, unsigned int thread)
{
	size_t count = ground->pages / ENTRIES;

	(void)thread;
	for (size_t i = 0; i < count; i++) {
		struct table *table = &ground->tables[i];

		memset(table, 0, sizeof(*table));
		HIDE(table);
	}
	return count;
}

/* Likewise with few tables, reused often: zeroing only. */
static uint64_t table_hot(struct ground *ground, unsigned int thread)
{
	size_t count = ground->pages / ENTRIES;

	(void)thread;
	for (size_t i = 0; i < count; i++) {
		struct table *table = &ground->tables[i % TABLES_HOT];

		memset(table, 0, sizeof(*table));
		HIDE(table);
	}
	return count;
}

static const struct probe probes[] = {
	{.name = "table_malloc",
	 .what = "aligned_alloc, zeroed and kept",
	 .unit = "table",
	 .loop = table_malloc,
	 .clean = free_list},
	{.name = "table_fresh_4k",
	 .what = "first touch of fresh memory in 4K pages",
	 .unit = "table",
	 .prepare = map_small,
	 .loop = touch_fresh,
	 .clean = unmap_fresh},
	{.name = "table_fresh_2m",
	 .what = "first touch of fresh memory in 2M pages",
	 .unit = "table",
	 .prepare = map_huge,
	 .loop = touch_fresh,
	 .clean = unmap_fresh},
	{.name = "table_recycled",
	 .what = "zero used tables, as many as the guest has",
	 .unit = "table",
	 .loop = table_recycled},
	{.name = "table_hot",
	 .what = "zero 64 used tables repeatedly",
	 .unit = "table",
	 .loop = table_hot},
};

const struct part part_table = {
	.name = "table",
	.what = "a zeroed table page",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
