/*
 * The kinds of passes: their names, their samples, and what the report shows of them.
 */
#ifndef BENCH_BULK_KINDS_H
#define BENCH_BULK_KINDS_H

#include "bulk/run.h"

/* Starts with no sample of any kind. */
void kinds_init(struct kind kinds[KINDS]);

/* Adds a pass over all entries, and what the VM has counted since `before`. */
void kinds_add(struct run *run, enum kind_id id, uint64_t ns, uint64_t cpu_ns,
	       const struct tdp_stats *before);

/* Adds a phase to the measurement for each kind that has samples: their median. */
void kinds_report(struct run *run);

#endif
