/*
 * How far a run is, on one line of standard error: where that is a terminal, and
 * nowhere else.
 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

bool progress_wanted(void);

/* "what: 12 %", over the line before. */
void progress_show(const char *what, uint64_t done, uint64_t all);

/* Leaves the line empty. */
void progress_end(void);

#endif
