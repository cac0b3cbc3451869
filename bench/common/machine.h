/*
 * The machine that a measurement was made on, in a line.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* "AMD EPYC 9654, 1 package, 2 cores, 4 CPUs, 15.5 GiB"; what is not known is left out. */
void machine_describe(char *text, size_t size);

/* RAM of this machine, 0 if that is not known. Whoever else wants it is not told of. */
uint64_t machine_memory_bytes(void);

#endif
