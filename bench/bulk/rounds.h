/*
 * The rounds of passes over the two VMs of a run.
 */
#ifndef BENCH_BULK_ROUNDS_H
#define BENCH_BULK_ROUNDS_H

#include "bulk/run.h"

/* All rounds over the current VM, which huge pages back, or which 4K pages back. */
int rounds_of_huge(struct run *run);
int rounds_of_small(struct run *run);

#endif
