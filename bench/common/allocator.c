#include "common/allocator.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#ifdef TDPSIM_JEMALLOC

#include <jemalloc/jemalloc.h>

/* The caches of threads, 11 KB each, would count as memory of the guest. */
const char *malloc_conf = "tcache:false";

static int arena_flags(const struct allocator *allocator)
{
	/* No thread cache, whose content would count as in use. */
	return MALLOCX_ARENA(allocator->arena) | MALLOCX_TCACHE_NONE;
}

static void *arena_allocate(void *context, size_t alignment, size_t bytes)
{
	return mallocx(bytes, arena_flags(context) | MALLOCX_ALIGN(alignment) | MALLOCX_ZERO);
}

static void arena_release(void *context, void *memory, size_t bytes)
{
	(void)bytes;
	dallocx(memory, arena_flags(context));
}

void allocator_init(struct allocator *allocator)
{
	size_t size = sizeof(allocator->arena);

	allocator->has_arena = mallctl("arenas.create", &allocator->arena, &size, NULL, 0) == 0;
}

void allocator_fini(struct allocator *allocator)
{
	char name[48];

	if (!allocator->has_arena)
		return;
	snprintf(name, sizeof(name), "arena.%u.destroy", allocator->arena);
	mallctl(name, NULL, NULL, NULL, 0);
}

struct tdp_allocator allocator_hook(struct allocator *allocator)
{
	struct tdp_allocator none = {0};
	struct tdp_allocator arena = {arena_allocate, arena_release, allocator};

	return allocator->has_arena ? arena : none;
}

static bool arena_statistic(const struct allocator *allocator, const char *which, uint64_t *bytes)
{
	char name[64];
	size_t value, size = sizeof(value);

	snprintf(name, sizeof(name), "stats.arenas.%u.%s.allocated", allocator->arena, which);
	if (mallctl(name, &value, &size, NULL, 0))
		return false;
	*bytes = value;
	return true;
}

bool allocator_bytes(const struct allocator *allocator, uint64_t *bytes)
{
	uint64_t epoch = 1, small, large;
	size_t size = sizeof(epoch);

	if (!allocator->has_arena)
		return false;
	/* Setting the epoch takes a snapshot of the statistics. */
	mallctl("epoch", &epoch, &size, &epoch, size);
	if (!arena_statistic(allocator, "small", &small) ||
	    !arena_statistic(allocator, "large", &large))
		return false;
	*bytes = small + large;
	return true;
}

#else

void allocator_init(struct allocator *allocator)
{
	*allocator = (struct allocator){0};
}

void allocator_fini(struct allocator *allocator)
{
	(void)allocator;
}

struct tdp_allocator allocator_hook(struct allocator *allocator)
{
	struct tdp_allocator none = {0};

	(void)allocator;
	return none;
}

bool allocator_bytes(const struct allocator *allocator, uint64_t *bytes)
{
	(void)allocator;
	(void)bytes;
	return false;
}

#endif

uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t total, resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
