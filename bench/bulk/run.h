/*
 * A run of bulk: its options, the VM that it works on, and the passes that it has timed.
 */
#ifndef BENCH_BULK_RUN_H
#define BENCH_BULK_RUN_H

#include "common/driver.h"

#define PASSES_MOST 100

struct bulk {
	struct guest_options guest; /* first, as driver.h requires */
	unsigned int passes;	    /* of each kind */
};

enum kind_id { SPLIT, CLEAR, RECOVER, PROTECT, FAST, GET, AGE, KINDS };

/* All passes of one kind. */
struct kind {
	const char *name, *per, *limit; /* as in struct phase */
	double cpu_ns[PASSES_MOST];	/* of each pass, for each entry */
	unsigned int count;
	uint64_t entries, faults;
	double seconds;
	struct tdp_stats counted;
};

/* What the vCPUs were made to do between the passes of the second VM. */
struct side_work {
	uint64_t accesses, faults;
	double seconds;
};

/* Written by one thread, while no actor runs. */
struct run {
	const struct bulk *options;
	const struct tdp_flag *stop;
	struct measurement *measurement;
	struct kind kinds[KINDS];
	struct guest *guest; /* the current one */
	uint64_t entries;    /* 4K pages of all vCPUs */
	/* Bitmaps for the largest slot: the first page of each 2M region, and all pages. */
	uint64_t *regions, *all;
	uint64_t *log; /* read by the last pass of kind GET */
	struct side_work populate, write;
};

/* Marks the measurement as interrupted, and returns true, after Ctrl-C. */
static inline bool run_stopped(struct run *run)
{
	run->measurement->interrupted |= tdp_flag_raised(run->stop);
	return run->measurement->interrupted;
}

#endif
