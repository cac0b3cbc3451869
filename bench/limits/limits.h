/*
 * Lower bounds for the cost of the parts of a fault on this machine
 *
 * A figure of the library means little without the figure that no implementation can beat. A driver
 * calls limits_measure() in the run that it reports, and prints the limits beside its own figures:
 * machines differ, and one machine differs from minute to minute.
 *
 * Each limit is a loop over plain memory that does one thing only. The loops run natively, outside
 * the library; there is no virtual build.
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

/* All zero: the configuration for which the project states its targets. */
struct limits_config {
	uint64_t guest_bytes; /* mapped at 4K; 0 means LIMITS_GUEST_BYTES: 32 MiB of tables */
	unsigned int runs;    /* of which the median is taken; 0 means LIMITS_RUNS */
	bool small_pages;     /* the tables in 4K pages; otherwise in 2M where the kernel can */
	bool pinned;	      /* to `cpus`; otherwise to the first two that the process may use */
	struct limits_cpus cpus;
};

/*
 * Medians in nanoseconds; NAN if not measured, because `pingpong` needs two CPUs. The comment above
 * each loop says what it measures.
 */
struct limits {
	double realistic_seq;	 /* a whole fault, page after page (fault.c) */
	double realistic_random; /* a whole fault, in random order */
	double seq_plain_store;	 /* a store to every entry (entry.c) */
	double seq_exchange;	 /* an atomic exchange of every entry */
	double seq_walk;	 /* a walk of four levels, page after page (walk.c) */
	double pingpong;	 /* a cache line to another CPU and back (word.c) */
};

/*
 * Measures all limits, in about two seconds and with 64 MiB of memory. Returns 0, or a negative
 * errno; what was not measured is then NAN.
 */
int limits_measure(const struct limits_config *config, struct limits *limits);

/* Sets all limits to NAN. */
void limits_clear(struct limits *limits);

/* The field of the probe of this name; NULL if there is none. */
double *limits_member(struct limits *limits, const char *name);

/* A member for each limit, null for NAN. New reference; NULL if there is no memory. */
json_t *limits_json(const struct limits *limits);

#endif
