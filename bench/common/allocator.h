/*
 * The allocator that drivers hand to the library: a jemalloc arena, whose statistics show how much
 * memory the metadata of the library takes. In builds with a sanitizer it is libc, without
 * statistics.
 */
#ifndef BENCH_ALLOCATOR_H
#define BENCH_ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

#include <tdpsim/host.h>

struct allocator {
	unsigned int arena;
	bool has_arena;
};

/* Falls back to libc if no arena can be created. */
void allocator_init(struct allocator *allocator);
/* All its allocations must have been released. */
void allocator_fini(struct allocator *allocator);

/* The hook for a host's config; borrows `allocator`. */
struct tdp_allocator allocator_hook(struct allocator *allocator);

/* Bytes in use, including rounding; false if unknown. */
bool allocator_bytes(const struct allocator *allocator, uint64_t *bytes);

/* Resident bytes of this process; 0 if unknown. */
uint64_t resident_bytes(void);

#endif
