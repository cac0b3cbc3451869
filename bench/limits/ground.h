/*
 * The ground that all probes work on: as much memory as the tables of a guest take
 * that is mapped at 4K, and an order to visit its pages in.
 *
 * The memory is touched when the ground is made, so that no loop pays for the
 * kernel's page faults, and holds whatever the last probe left there: a probe
 * prepares what it needs. Entries are plain words. The loops choose plain or
 * __atomic access, and which one they choose is what they measure.
 */
#ifndef BENCH_LIMITS_GROUND_H
#define BENCH_LIMITS_GROUND_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTRIES	   512 /* of a table */
#define TABLE_SIZE 4096
#define LINE	   128 /* two cache lines: the prefetcher of many CPUs fetches them in pairs */

/* Keeps the compiler from knowing a value, or what is in memory. */
#define HIDE(value) __asm__ __volatile__("" : "+r"(value) : : "memory")

struct table {
	uint64_t entries[ENTRIES];
};

/* What a simulator has to know of a table page besides its entries. */
struct record {
	uint64_t gfn;
	uint32_t level, thread;
};

/* A vCPU's own words, on lines that nobody else writes. */
struct vcpu {
	_Alignas(LINE) uint64_t epoch; /* nonzero inside of a section; read by who reclaims */
	uint64_t mapped, tables;       /* counters */
};

/* Words that two threads share, or each one's own (word.c). */
struct words {
	_Alignas(LINE) uint64_t shared;
	_Alignas(LINE) pthread_rwlock_t rwlock;
	_Alignas(LINE) pthread_mutex_t mutex;
	struct {
		_Alignas(LINE) uint64_t word;
	} own[2];
};

struct ground {
	uint64_t pages;		/* of the guest; each has one entry in a leaf table */
	struct table *tables;	/* leaf tables, and room for those above them */
	size_t tables_count;	/* all of them */
	uint32_t *order;	/* each page once, in no order */
	struct record *records; /* one for each table */
	size_t taken;		/* tables in use, from the front (tree.h) */
	uint64_t epoch;		/* what a section's mark is made from */
	struct vcpu vcpus[2];
	struct words words;
	void *extra; /* what a probe of table.c holds */
	bool small_pages;
};

/* Leaf entries alone, as one array of ground->pages words. */
static inline uint64_t *ground_entries(struct ground *ground)
{
	return ground->tables->entries;
}

/* `guest_bytes` is a multiple of 2 MiB. Stores a new ground in *result: 0 or -ENOMEM. */
int ground_create(uint64_t guest_bytes, bool small_pages, struct ground **result);
void ground_destroy(struct ground *ground); /* NULL is allowed */

/* How much of the tables' memory the kernel keeps in pages of 2M now. */
uint64_t ground_huge_bytes(const struct ground *ground);

/* Memory of the process that is not touched yet, at a multiple of 2M; NULL if there is none. */
void *memory_map(size_t bytes, bool small_pages);
void memory_unmap(void *memory, size_t bytes); /* NULL is allowed */

#endif
