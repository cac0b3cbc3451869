/*
 * Every driver is built twice: bench/X in real time and bench/virtual/X, the same sources with the
 * virtual engine of the library. --clock chooses between them.
 */
#ifndef BENCH_TWIN_H
#define BENCH_TWIN_H

#include <stdbool.h>

#include "common/guest.h"

/* The clock of this build. */
enum guest_clock twin_clock(void);

/* "real" or "virtual". */
const char *twin_clock_name(void);

/* Executes the other build with the same arguments. Returns, with a message, if that fails. */
void twin_run_other(char **argv);

#endif
