/*
 * Anonymous memory for tests. See memory.h.
 */
#include "support/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

void memory_map(struct memory *memory, struct tdp_anon_config config)
{
	assert_int_equal(tdp_anon_create(memory->test.host, &config, &memory->anon), 0);
	memory->backing = tdp_anon_backing(memory->anon);
}

void memory_begin(struct memory *memory, struct tdp_anon_config config)
{
	host_begin(&memory->test);
	memory_map(memory, config);
}

void memory_end(struct memory *memory)
{
	tdp_anon_destroy(memory->anon);
	host_end(&memory->test);
}

int memory_resolve(const struct memory *memory, uint64_t offset, bool write,
		   struct tdp_backing_page *page)
{
	const struct tdp_backing *backing = memory->backing;

	return backing->ops->resolve(backing->context, NULL, backing->hva + offset, write, page);
}

tdp_pfn_t memory_touch(const struct memory *memory, uint64_t offset)
{
	struct tdp_backing_page page = {0};

	assert_int_equal(memory_resolve(memory, offset, true, &page), 0);
	assert_true(page.writable);
	assert_false(page.device);
	return page.pfn;
}

uint64_t memory_data_frames(const struct memory *memory)
{
	return host_used(&memory->test).data_frames;
}
