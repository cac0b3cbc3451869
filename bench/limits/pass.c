/*
 * Passes over whole tables: the least that splitting, write-protecting and tearing
 * down cost for each 4K page, where a table is worked on as a whole.
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

/* Limit of a split: the 512 entries of a new table, in as wide stores as the compiler finds. */
static uint64_t pass_fill(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		entries[page] = leaf_entry(page) | ENTRY_LARGE;
	HIDE(entries);
	return ground->pages;
}

/* Limit of whatever has to look at each entry and finds nothing to do. */
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

/* Limit of write protection while nobody else may write: no locked instruction. */
static uint64_t pass_protect_plain(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		entries[page] &= ~ENTRY_WRITABLE;
	HIDE(entries);
	return ground->pages;
}

/* Limit of write protection beside others: one locked instruction an entry. */
static uint64_t pass_protect_and(struct ground *ground, unsigned int thread)
{
	uint64_t *entries = ground_entries(ground);

	(void)thread;
	for (uint64_t page = 0; page < ground->pages; page++)
		__atomic_fetch_and(&entries[page], ~ENTRY_WRITABLE, __ATOMIC_SEQ_CST);
	return ground->pages;
}

/* The same by compare-and-swap, which leaves alone what is not writable. */
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
 * Limit of a teardown that keeps no account of pages: each table is put on a list
 * through its own first word, its other entries are not looked at.
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
	PASS("unlink whole tables, their entries unread", pass_unlink),
};

const struct part part_pass = {
	.name = "pass",
	.what = "passes over whole tables",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
