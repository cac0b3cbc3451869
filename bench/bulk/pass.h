/*
 * Passes over all entries of a guest. Each returns 0 or a negative errno. A pass of a kind
 * becomes a sample of it; KINDS means that the pass is not timed.
 */
#ifndef BENCH_BULK_PASS_H
#define BENCH_BULK_PASS_H

#include "bulk/run.h"

int pass_begin_logging(struct run *run, enum kind_id kind);
int pass_end_logging(struct run *run, enum kind_id kind);
/* Clears the log of the first page of each 2M region; of all pages. */
int pass_clear_regions(struct run *run, enum kind_id kind);
int pass_clear_all(struct run *run, enum kind_id kind);
/* Reads the log into run->log, slot by slot. */
int pass_get(struct run *run, enum kind_id kind);
int pass_age(struct run *run, enum kind_id kind);

/* Each vCPU makes its pages writable again by a fast page fault for each; kind FAST. */
int pass_fast_faults(struct run *run);

/* Each vCPU faults in its pages through the handler. Not timed as a kind. */
int pass_populate(struct run *run);
/* Each vCPU writes each of its pages, so that they become young and dirty. Likewise. */
int pass_write(struct run *run);

#endif
