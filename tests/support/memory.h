/*
 * Anonymous memory for tests: one mapping of a host of its own.
 */
#ifndef TDPSIM_TESTS_SUPPORT_MEMORY_H
#define TDPSIM_TESTS_SUPPORT_MEMORY_H

#include "support/hosts.h"

struct memory {
	struct test_host test;
	struct tdp_anon *anon;
	const struct tdp_backing *backing; /* borrowed of anon */
};

/* host_begin(), then a mapping, which has to succeed. */
void memory_begin(struct memory *memory, struct tdp_anon_config config);
/* The mapping alone, where the host is there. */
void memory_map(struct memory *memory, struct tdp_anon_config config);
void memory_end(struct memory *memory);

/* The backing's resolve() as a program outside of the library calls it. */
int memory_resolve(const struct memory *memory, uint64_t offset, bool write,
		   struct tdp_backing_page *page);
/* The same for a write that has to succeed. */
tdp_pfn_t memory_touch(const struct memory *memory, uint64_t offset);

uint64_t memory_data_frames(const struct memory *memory);

#endif
