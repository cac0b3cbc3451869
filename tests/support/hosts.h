/*
 * Hosts for tests: small, with a fail hook that counts down, an allocator that
 * counts bytes, and the last report at hand. A test that leaks metadata, or
 * frames, fails in host_end().
 */
#ifndef TDPSIM_TESTS_SUPPORT_HOSTS_H
#define TDPSIM_TESTS_SUPPORT_HOSTS_H

#include <tdpsim/host.h>

#include "platform/atomic.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

struct test_host {
	struct tdp_host_config config; /* hooks filled in; a test changes the rest */
	struct tdp_host *host;
	char report[512];
	atomic_u64 bytes;  /* held of the allocator; relaxed, read when all is quiet */
	atomic_u64 budget; /* allocations until one fails; 0: none does. Relaxed, as above */
};

/* A config with hooks: 1 GiB of data, 4 MiB of tables, nothing fails. */
void host_prepare(struct test_host *test);
/* host_prepare() and tdp_host_create(), which has to succeed. */
void host_begin(struct test_host *test);
/* All frames are free, and after the host's end all metadata is. */
void host_end(struct test_host *test);

/* The allocation after the next `count` - 1 fails, once. */
void host_fail_after(struct test_host *test, uint64_t count);
/* Did it, since? */
bool host_failed(const struct test_host *test);

struct tdp_host_memory host_used(const struct test_host *test);

#endif
