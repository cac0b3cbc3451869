/*
 * Allocations that must succeed: otherwise the program prints a sentence and ends with
 * STATUS_FAILED.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdlib.h>

/* At least one byte; the caller frees it. */
void *must_calloc(size_t count, size_t bytes);
void *must_reallocarray(void *memory, size_t count, size_t bytes);
/* Zeroed and aligned; `bytes` is a multiple of the alignment. */
void *must_calloc_aligned(size_t alignment, size_t count, size_t bytes);

#endif
