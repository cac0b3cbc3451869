#include "common/memory.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/status.h"

/* Actors may be running, so free nothing. */
static void *there(void *memory)
{
	if (memory)
		return memory;
	complain("out of memory");
	_exit(STATUS_FAILED);
}

void *must_calloc(size_t count, size_t bytes)
{
	return there(calloc(count ? count : 1, bytes));
}

void *must_reallocarray(void *memory, size_t count, size_t bytes)
{
	return there(reallocarray(memory, count ? count : 1, bytes));
}

void *must_calloc_aligned(size_t alignment, size_t count, size_t bytes)
{
	void *memory = NULL;

	if (count <= SIZE_MAX / bytes)
		memory = aligned_alloc(alignment, (count ? count : 1) * bytes);
	return memset(there(memory), 0, count * bytes);
}
