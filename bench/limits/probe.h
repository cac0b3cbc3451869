/*
 * Probes: what is measured and how
 *
 * A probe is a loop that does one thing many times. Its limit is the median of several runs, after
 * one that is not counted, in nanoseconds for each operation. The time is the CPU time of the
 * thread, which other processes hardly change, or wall time if the probe measures waiting.
 *
 * Each part is a file with several probes; all use the same memory (ground.h).
 */
#ifndef BENCH_LIMITS_PROBE_H
#define BENCH_LIMITS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits/limits.h"

struct ground;

#define PROBE_THREADS 2	 /* at most */
#define PROBE_BATCHES 64 /* likewise */

struct probe {
	const char *name; /* unique */
	const char *what; /* a description */
	const char *unit; /* what one operation handles */
	/*
	 * Returns how many operations it made, or 0 if one of them failed. Threads are numbered
	 * from 0.
	 */
	uint64_t (*loop)(struct ground *ground, unsigned int thread);
	/* Before and after each run, not timed. NULL or 0, or a negative errno. */
	int (*prepare)(struct ground *ground);
	void (*clean)(struct ground *ground);
	unsigned int threads; /* each on its own CPU; 0: the caller runs the loop */
	bool wall;	      /* measure wall time */
	/*
	 * How often a run calls the loop, in batches; 0 means once. The threads begin each batch
	 * together. The time of the run is that of the median batch, so that batches which another
	 * process delayed do not count.
	 */
	unsigned int batches;
};

struct part {
	const char *name;
	const char *what;
	const struct probe *probes;
	size_t count;
};

extern const struct part part_entry, part_pass, part_table, part_walk, part_word, part_fault;
extern const struct part *const parts[]; /* all of them */
extern const size_t parts_count;

struct sample {
	double median, least, most; /* ns an operation */
};

/*
 * Returns 0, -ENODEV if there are fewer CPUs than threads, -EIO if an operation failed, or another
 * negative errno.
 */
int probe_measure(const struct probe *probe, struct ground *ground,
		  const struct limits_config *config, struct sample *sample);

#endif
