/*
 * Memory that a driver cannot go on without: where there is none, the program ends
 * with a sentence and STATUS_FAILED. What it holds of the library goes with it.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdlib.h>

/* At least one byte each; free() them. */
void *must_calloc(size_t count, size_t bytes);
void *must_reallocarray(void *memory, size_t count, size_t bytes);
/* Zeroed, and aligned as asked; `bytes` is a multiple of it. */
void *must_calloc_aligned(size_t alignment, size_t count, size_t bytes);

#endif
