/*
 * Describes the machine that runs the measurement in one line.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* "AMD EPYC 9654, 1 package, 2 cores, 4 CPUs, 15.5 GiB", without what is unknown. */
void machine_describe(char *text, size_t size);

/* RAM of this machine, used or not; 0 if unknown. */
uint64_t machine_memory_bytes(void);

#endif
