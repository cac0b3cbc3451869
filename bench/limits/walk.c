/*
 * Walks of four levels from the root to an existing leaf: the lower bound for a lookup, or a TLB
 * miss of a vCPU.
 */
#include "limits/ground.h"
#include "limits/probe.h"
#include "limits/tree.h"

static int map_all(struct ground *ground)
{
	tree_build(ground);
	for (uint64_t page = 0; page < ground->pages; page++)
		*descend(ground, tree_root(ground), page) = leaf_entry(page);
	return 0;
}

static inline uint64_t *below(uint64_t *table, uint64_t page, unsigned int level)
{
	return table_below(__atomic_load_n(entry_at(table, page, level), __ATOMIC_RELAXED));
}

/* Unrolled by hand: compilers keep a loop of three, which costs a fifth more. */
static inline uint64_t walk(uint64_t *root, uint64_t page)
{
	uint64_t *table = below(below(below(root, page, 4), page, 3), page, 2);

	return __atomic_load_n(entry_at(table, page, 1), __ATOMIC_RELAXED);
}

/* The sum of all leaves, which does not depend on the order. */
static uint64_t verdict(const struct ground *ground, uint64_t sum)
{
	uint64_t pages = ground->pages;
	uint64_t expected = (pages * (pages - 1) / 2 << 12) + pages * ENTRY_RIGHTS;

	return sum == expected ? pages : 0;
}

/* Limit of independent lookups of adjacent pages: four loads from the cache. */
static uint64_t seq_walk(struct ground *ground, unsigned int thread)
{
	uint64_t *root = tree_root(ground), sum = 0;

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++) {
		HIDE(root); /* keeps the compiler from reading the upper levels once for many pages
			     */
		sum += walk(root, page);
	}
	return verdict(ground, sum);
}

/* Limit of independent lookups in random order, which the CPU may overlap. */
static uint64_t random_walk(struct ground *ground, unsigned int thread)
{
	uint64_t sum = 0;

	(void)thread;
	for (uint64_t i = 0; i < ground->pages; i++)
		sum += walk(tree_root(ground), ground->order[i]);
	return verdict(ground, sum);
}

/*
 * Limit of one such lookup: the next page depends on a bit of the result, which is never set, but
 * the CPU cannot know that.
 */
static uint64_t random_walk_dependent(struct ground *ground, unsigned int thread)
{
	uint64_t sum = 0, last = 0;

	(void)thread;
	for (uint64_t i = 0; i < ground->pages; i++) {
		last = walk(tree_root(ground), ground->order[i + (last >> 3 & 1)]);
		sum += last;
	}
	return verdict(ground, sum);
}

#define WALK(text, function)                                                                       \
	{                                                                                          \
		.name = #function, .what = text, .unit = "walk", .prepare = map_all,               \
		.loop = function                                                                   \
	}

static const struct probe probes[] = {
	WALK("from the root, page after page", seq_walk),
	WALK("from the root, in random order", random_walk),
	WALK("the same, each after the previous one", random_walk_dependent),
};

const struct part part_walk = {
	.name = "walk",
	.what = "a walk of four levels",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
