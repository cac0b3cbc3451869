/*
 * Walking four levels from the root to a leaf that is there: the least that a
 * lookup, or a vCPU's miss of the TLB, costs.
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

/* Written out, for compilers leave a loop of three a loop, which costs a fifth more. */
static inline uint64_t walk(uint64_t *root, uint64_t page)
{
	uint64_t *table = below(below(below(root, page, 4), page, 3), page, 2);

	return __atomic_load_n(entry_at(table, page, 1), __ATOMIC_RELAXED);
}

/* Each page once: what all leaves add up to, whatever the order. */
static uint64_t verdict(const struct ground *ground, uint64_t sum)
{
	uint64_t pages = ground->pages;
	uint64_t expected = (pages * (pages - 1) / 2 << 12) + pages * ENTRY_RIGHTS;

	return sum == expected ? pages : 0;
}

/* Limit of lookups of neighbours that know nothing of each other: four loads, all in cache. */
static uint64_t seq_walk(struct ground *ground, unsigned int thread)
{
	uint64_t *root = tree_root(ground), sum = 0;

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++) {
		HIDE(root); /* or the upper levels would be read once for many pages */
		sum += walk(root, page);
	}
	return verdict(ground, sum);
}

/* Limit of lookups in no order, of which the CPU may begin one before another has ended. */
static uint64_t random_walk(struct ground *ground, unsigned int thread)
{
	uint64_t sum = 0;

	(void)thread;
	for (uint64_t i = 0; i < ground->pages; i++)
		sum += walk(tree_root(ground), ground->order[i]);
	return verdict(ground, sum);
}

/*
 * Limit of one such lookup from beginning to end: which page is next depends on
 * what the walk found, in a bit that is never set, as the CPU cannot know.
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
	WALK("from the root, in no order", random_walk),
	WALK("the same, one after the other", random_walk_dependent),
};

const struct part part_walk = {
	.name = "walk",
	.what = "a walk of four levels",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
