/*
 * Passes over whole tables: lower bounds for splitting, write protection and teardown for each 4K
 * page.
 */
#include <string.h>

#include "limits/ground.h"
#include "limits/probe.h"
#include "limits/tree.h"

#define ENTRY_WRITABLE 2ULL

static int fill_entries(struct ground *ground)
{
	memset(ground_entries(ground), 0xff, ground->pages * sizeof(uint64_t));
	return 0;
}

/* Limit of a split: stores the 512 entries of a new table, as wide as the compiler can. */
static uint64_t pass_fill(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		entries[page] = leaf_entry(page) | ENTRY_LARGE;
	HIDE(entries);
	return ground->pages;
}

/* Limit of a pass that reads each entry and changes none. */
static uint64_t pass_read(struct ground *ground, unsigned int thread)
{
	const uint64_t *entries = ground_entries(ground);
	uint64_t seen = 0;

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		seen |= entries[page];
	HIDE(seen);
	return ground->pages;
}

/* Limit of write protection without concurrent writers: no locked instruction. */
static uint64_t pass_protect_plain(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		entries[page] &= ~ENTRY_WRITABLE;
	HIDE(entries);
	return ground->pages;
}

/* Limit of write protection with concurrent writers: one locked instruction an entry. */
static uint64_t pass_protect_and(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		__atomic_fetch_and(&entries[page], ~ENTRY_WRITABLE, __ATOMIC_SEQ_CST);
	return ground->pages;
}

/* Likewise by compare-and-swap, which does not change entries that are not writable. */
static uint64_t pass_protect_swap(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++) {
		uint64_t old = __atomic_load_n(&entries[page], __ATOMIC_RELAXED);

		if ((old & ENTRY_WRITABLE) &&
		    !__atomic_compare_exchange_n(&entries[page], &old, old & ~ENTRY_WRITABLE, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return 0;
	}
	return ground->pages;
}

/*
 * Limit of a teardown without page accounting: puts each table on a list through its first word,
 * and does not read its other entries.
 */
static uint64_t pass_unlink(struct ground *ground, unsigned int thread)
{
	uint64_t *list = NULL;

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page += ENTRIES) {
		uint64_t *table = ground_entries(ground) + page;

		__atomic_store_n(table, (uint64_t)(uintptr_t)list, __ATOMIC_RELAXED);
		list = table;
	}
	HIDE(list);
	return ground->pages;
}

#define PASS(text, function)                                                                       \
	{                                                                                          \
		.name = #function, .what = text, .unit = "entry", .prepare = fill_entries,         \
		.loop = function                                                                   \
	}

static const struct probe probes[] = {
	PASS("fill tables with leaves: a split", pass_fill),
	PASS("read every entry", pass_read),
	PASS("clear a bit of each by plain stores", pass_protect_plain),
	PASS("clear a bit of each by an atomic and", pass_protect_and),
	PASS("clear a bit of each by a compare-and-swap", pass_protect_swap),
	PASS("unlink whole tables without reading entries", pass_unlink),
};

const struct part part_pass = {
	.name = "pass",
	.what = "passes over whole tables",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
