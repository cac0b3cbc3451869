/*
 * Shows the progress of a run on one line of standard error, if that is a terminal.
 */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

bool progress_wanted(void);

/* Prints "what: 12 %" over the previous line. */
void progress_show(const char *what, uint64_t done, uint64_t all);

/* Clears the line. */
void progress_end(void);

#endif
