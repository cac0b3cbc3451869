/*
 * The machine that a measurement was made on, in a line.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>

/* "AMD EPYC 9654, 1 package, 2 cores, 4 CPUs, 15.5 GiB"; what is not known is left out. */
void machine_describe(char *text, size_t size);

#endif
