/*
 * Allocates the library's own memory, zeroed. It comes from the config's allocator and is
 * counted; an allocation fails when the fail hook says so.
 */
#include "host/allocate.h"

#include <stdlib.h>
#include <string.h>

#include "platform/check.h"

/* Uses calloc() where the alignment allows: it does not clear fresh pages of the kernel. */
static void *libc_allocate(size_t alignment, size_t bytes)
{
	void *memory;

	if (alignment <= _Alignof(max_align_t))
		return calloc(1, bytes);
	if (posix_memalign(&memory, alignment, bytes))
		return NULL;
	return memset(memory, 0, bytes);
}

void *config_allocate(const struct tdp_host_config *config, size_t alignment, size_t bytes)
{
	const struct tdp_allocator *allocator = &config->allocator;

	if (config->fail && config->fail(config->fail_context, TDP_ALLOCATE_METADATA))
		return NULL;
	if (allocator->allocate)
		return allocator->allocate(allocator->context, alignment, bytes);
	return libc_allocate(alignment, bytes);
}

void config_release(const struct tdp_host_config *config, void *memory, size_t bytes)
{
	const struct tdp_allocator *allocator = &config->allocator;

	if (allocator->release)
		allocator->release(allocator->context, memory, bytes);
	else
		free(memory);
}

void *host_allocate_aligned(struct tdp_host *host, size_t alignment, size_t bytes)
{
	void *memory = config_allocate(&host->config, alignment, bytes);

	if (memory)
		u64_add_relaxed(&host->metadata_bytes, bytes);
	return memory;
}

void *host_allocate(struct tdp_host *host, size_t bytes)
{
	return host_allocate_aligned(host, _Alignof(max_align_t), bytes);
}

void host_release(struct tdp_host *host, void *memory, size_t bytes)
{
	if (!memory)
		return;
	CHECK(u64_load_relaxed(&host->metadata_bytes) >= bytes);
	u64_add_relaxed(&host->metadata_bytes, -(uint64_t)bytes);
	config_release(&host->config, memory, bytes);
}
