/*
 * Hosts for tests. See hosts.h. The budget is atomic, because actors allocate as well.
 */
#include "support/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *allocate(void *context, size_t alignment, size_t bytes)
{
	struct test_host *test = context;
	size_t least = alignment < sizeof(void *) ? sizeof(void *) : alignment;
	void *memory;

	if (posix_memalign(&memory, least, bytes))
		return NULL;
	u64_add_relaxed(&test->bytes, bytes);
	return memset(memory, 0, bytes);
}

static void release(void *context, void *memory, size_t bytes)
{
	struct test_host *test = context;

	u64_add_relaxed(&test->bytes, -(uint64_t)bytes);
	free(memory);
}

static bool refuse(void *context, enum tdp_allocation allocation)
{
	struct test_host *test = context;

	(void)allocation;
	if (u64_load_relaxed(&test->budget) == 0)
		return false;
	return u64_add_relaxed(&test->budget, -(uint64_t)1) == 1;
}

static void report(void *context, const char *sentence)
{
	struct test_host *test = context;

	snprintf(test->report, sizeof(test->report), "%s", sentence);
}

void host_prepare(struct test_host *test)
{
	*test = (struct test_host){
		.config =
			{
				.memory_bytes = GIB,
				.table_bytes = 4 * MIB,
				.allocator = {allocate, release, test},
				.report = report,
				.report_context = test,
				.fail = refuse,
				.fail_context = test,
			},
	};
}

void host_begin(struct test_host *test)
{
	host_prepare(test);
	assert_int_equal(tdp_host_create(&test->config, &test->host), 0);
}

void host_end(struct test_host *test)
{
	struct tdp_host_memory usage = host_used(test);

	assert_int_equal(usage.table_frames, 0);
	assert_int_equal(usage.data_frames, 0);
	tdp_host_destroy(test->host);
	assert_int_equal(u64_load_relaxed(&test->bytes), 0);
}

void host_fail_after(struct test_host *test, uint64_t count)
{
	u64_store_relaxed(&test->budget, count);
}

bool host_failed(const struct test_host *test)
{
	return u64_load_relaxed(&test->budget) == 0;
}

struct tdp_host_memory host_used(const struct test_host *test)
{
	struct tdp_host_memory usage;

	tdp_host_usage(test->host, &usage);
	return usage;
}
