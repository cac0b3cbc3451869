/*
 * The ground: the memory that all probes work on, as large as the tables of a guest that is mapped
 * at 4K, and a random order of its pages.
 *
 * ground_create() touches the memory, so that no loop includes page faults of the kernel. It holds
 * what the last probe stored there, so each probe prepares what it needs. Entries are plain words;
 * the loops measure plain or __atomic accesses to them.
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

/* Keeps the compiler from assuming anything about a value, or about memory. */
#define HIDE(value) __asm__ __volatile__("" : "+r"(value) : : "memory")

struct table {
	uint64_t entries[ENTRIES];
};

/* What a simulator must store for a table besides its entries. */
struct record {
	uint64_t gfn;
	uint32_t level, thread;
};

/* The words of a vCPU, on cache lines that no other thread writes. */
struct vcpu {
	_Alignas(LINE)
		uint64_t epoch;	 /* nonzero inside a section; read by the thread that reclaims */
	uint64_t mapped, tables; /* counters */
};

/* Words that two threads share, and one for each thread (word.c). */
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
	struct table *tables;	/* leaf tables, and space for the upper tables */
	size_t tables_count;	/* all of them */
	uint32_t *order;	/* each page once, in random order */
	struct record *records; /* one for each table */
	size_t taken;		/* number of tables in use (tree.h) */
	uint64_t epoch;		/* the value of the next mark */
	struct vcpu vcpus[2];
	struct words words;
	void *extra; /* memory of a probe of table.c */
	bool small_pages;
};

/* The leaf entries, an array of ground->pages words. */
static inline uint64_t *ground_entries(struct ground *ground)
{
	return ground->tables->entries;
}

/* `guest_bytes` is a multiple of 2 MiB. Stores a new ground in *result: 0 or -ENOMEM. */
int ground_create(uint64_t guest_bytes, bool small_pages, struct ground **result);
void ground_destroy(struct ground *ground); /* NULL is allowed */

/* How much of the memory of the tables the kernel maps by 2M pages now. */
uint64_t ground_huge_bytes(const struct ground *ground);

/* New memory, not touched yet and aligned to 2M; NULL if there is none. */
void *memory_map(size_t bytes, bool small_pages);
void memory_unmap(void *memory, size_t bytes); /* NULL is allowed */

#endif
