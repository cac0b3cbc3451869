/*
 * The allocator that drivers hand to the library: a jemalloc arena, whose
 * statistics say what the library's metadata really takes. In builds with a
 * sanitizer it is libc, and nothing is known here.
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

/* Falls back to libc if there is no arena to be had. */
void allocator_init(struct allocator *allocator);
/* Everything allocated from it must have been released. */
void allocator_fini(struct allocator *allocator);

/* The hook for a host's config; borrows `allocator`. */
struct tdp_allocator allocator_hook(struct allocator *allocator);

/* Bytes in use, rounding included; false where that is not known. */
bool allocator_bytes(const struct allocator *allocator, uint64_t *bytes);

/* Resident bytes of this process; 0 where that is not known. */
uint64_t resident_bytes(void);

#endif
