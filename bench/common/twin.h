/*
 * Every driver is built twice: bench/X in real time and bench/virtual/X, the same
 * sources with the library's virtual twin. --clock tells which of them is to run.
 */
#ifndef BENCH_TWIN_H
#define BENCH_TWIN_H

#include <stdbool.h>

#include "common/guest.h"

/* The clock that this build runs by. */
enum guest_clock twin_clock(void);

/* "real" or "virtual". */
const char *twin_clock_name(void);

/* Becomes the other build, with the same arguments. Says why if it cannot. */
void twin_run_other(char **argv);

#endif
