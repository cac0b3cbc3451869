/*
 * Probes: what is measured, and how
 *
 * A probe is a loop that does one thing many times. Its limit is the median of
 * several runs, after one that is not counted, in nanoseconds for each operation.
 * The time is the thread's own CPU time, which others on the machine do not
 * lengthen much, or wall time where waiting belongs to what is measured.
 *
 * Probes come in parts, a file each; all work on the same ground (ground.h).
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
	const char *name; /* unlike any other's */
	const char *what; /* for people */
	const char *unit; /* what one operation is made on */
	/*
	 * Does it and returns how many operations that were, or 0 if one of them did
	 * not do what is measured. Threads are numbered from 0.
	 */
	uint64_t (*loop)(struct ground *ground, unsigned int thread);
	/* Before and after each run, not timed. NULL or 0, or a negative errno. */
	int (*prepare)(struct ground *ground);
	void (*clean)(struct ground *ground);
	unsigned int threads; /* side by side, each on a CPU of its own; 0 for the caller */
	bool wall;	      /* waiting counts */
	/*
	 * How often a run calls the loop; 0 means once. The threads begin each batch
	 * together, and the run's time is the median batch's: with wall time, those in
	 * which another process had a CPU must not count.
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
 * 0, -ENODEV if there are fewer CPUs than threads, -EIO if an operation failed,
 * or the negative errno of what could not be had.
 */
int probe_measure(const struct probe *probe, struct ground *ground,
		  const struct limits_config *config, struct sample *sample);

#endif
