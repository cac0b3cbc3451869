/*
 * What the pieces of a fault cost at the least on this machine
 *
 * A figure of the library says little without the figure that no implementation
 * could beat. A driver calls limits_measure() in the run that it reports and
 * prints the limits beside its own: machines differ, and so does one machine from
 * one minute to the next.
 *
 * Everything here is native: loops over plain memory that do one thing and
 * nothing besides, outside the library and without a virtual twin.
 */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define LIMITS_GUEST_BYTES ((uint64_t)16 << 30)
#define LIMITS_RUNS	   5

/* Two CPUs, for the limits of words that two threads share. */
struct limits_cpus {
	unsigned int cpu[2];
};

/* All zero measures what the project's targets are stated for. */
struct limits_config {
	uint64_t guest_bytes; /* mapped at 4K; 0 means LIMITS_GUEST_BYTES: 32 MiB of tables */
	unsigned int runs;    /* that the median is taken of; 0 means LIMITS_RUNS */
	bool small_pages;     /* the tables in 4K pages; otherwise in 2M where the kernel can */
	bool pinned;	      /* to `cpus`; otherwise to the first two that the process may use */
	struct limits_cpus cpus;
};

/*
 * Medians in nanoseconds, NAN where nothing was measured: `pingpong` needs two
 * CPUs. Where they are measured is told by the comment above each loop.
 */
struct limits {
	double realistic_seq;	 /* a whole fault, page after page (fault.c) */
	double realistic_random; /* a whole fault, in no order */
	double seq_plain_store;	 /* a store to every entry (entry.c) */
	double seq_exchange;	 /* an atomic exchange of every entry */
	double seq_walk;	 /* a walk of four levels, page after page (walk.c) */
	double pingpong;	 /* a line to another CPU and back (word.c) */
};

/*
 * Measures all of them, in about two seconds and 64 MiB that are given back.
 * 0, or a negative errno; *limits then holds NAN where it did not come so far.
 */
int limits_measure(const struct limits_config *config, struct limits *limits);

/* Nothing measured yet. */
void limits_clear(struct limits *limits);

/* The field that the probe of this name fills in; NULL if it is none of them. */
double *limits_member(struct limits *limits, const char *name);

/* A member for each of them, null for NAN. New reference; NULL if there is no memory. */
json_t *limits_json(const struct limits *limits);

#endif
