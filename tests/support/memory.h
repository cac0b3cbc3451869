/*
 * Anonymous memory for tests: one mapping in its own host.
 */
#ifndef TDPSIM_TESTS_SUPPORT_MEMORY_H
#define TDPSIM_TESTS_SUPPORT_MEMORY_H

#include "support/hosts.h"

struct memory {
	struct test_host test;
	struct tdp_anon *anon;
	const struct tdp_backing *backing; /* borrowed from anon */
};

/* host_begin() and a mapping, which must succeed. */
void memory_begin(struct memory *memory, struct tdp_anon_config config);
/* Only the mapping, in an existing host. */
void memory_map(struct memory *memory, struct tdp_anon_config config);
void memory_end(struct memory *memory);

/* Calls resolve() of the backing as a program outside of the library does. */
int memory_resolve(const struct memory *memory, uint64_t offset, bool write,
		   struct tdp_backing_page *page);
/* Likewise for a write, which must succeed. */
tdp_pfn_t memory_touch(const struct memory *memory, uint64_t offset);

uint64_t memory_data_frames(const struct memory *memory);

#endif
