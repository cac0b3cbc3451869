/*
 * Hosts for tests: small, with an allocator that counts bytes and can fail, and with the last
 * report. host_end() fails a test that leaks metadata or frames.
 */
#ifndef TDPSIM_TESTS_SUPPORT_HOSTS_H
#define TDPSIM_TESTS_SUPPORT_HOSTS_H

#include <tdpsim/host.h>

#include "platform/atomic.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

struct test_host {
	struct tdp_host_config config; /* with hooks; a test changes the rest */
	struct tdp_host *host;
	char report[512];
	atomic_u64 bytes;  /* allocated; relaxed, read while no actor runs */
	atomic_u64 budget; /* allocations until one fails; 0: none fails. Relaxed, as above */
};

/* A config with hooks: 1 GiB of data, 4 MiB of tables, nothing fails. */
void host_prepare(struct test_host *test);
/* host_prepare() and tdp_host_create(), which must succeed. */
void host_begin(struct test_host *test);
/* Fails unless all frames are free, and all metadata after the end of the host. */
void host_end(struct test_host *test);

/* The allocation after the next `count` - 1 fails, once. */
void host_fail_after(struct test_host *test, uint64_t count);
/* Whether that allocation has failed. */
bool host_failed(const struct test_host *test);

struct tdp_host_memory host_used(const struct test_host *test);

#endif
