/*
 * Sparse mappings. MAP_NORESERVE and vm.overcommit_memory 0 or 1 let a mapping
 * be far larger than the machine; under 2 every byte would count as committed.
 */
#include "host/window.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "host/config.h"
#include "host/host.h"
#include "host/report.h"

#define ALIGNMENT (2 * MIB)

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

/* ThreadSanitizer's shadow leaves a program little more than 1 TiB of address space. */
#ifdef THREAD_SANITIZER
#define MEMORY_LIMIT (512 * GIB)
#define TABLE_LIMIT  (64 * GIB)
#else
#define MEMORY_LIMIT UINT64_MAX
#define TABLE_LIMIT  UINT64_MAX
#endif

int window_overcommit(void)
{
	FILE *file = fopen("/proc/sys/vm/overcommit_memory", "re");
	int mode = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%d", &mode) != 1)
		mode = 0;
	fclose(file);
	return mode;
}

int window_check(const struct tdp_host_config *config, int overcommit)
{
	if (overcommit == 2) {
		config_report(config,
			      "vm.overcommit_memory is 2: the kernel would count every byte of the "
			      "host's %" PRIu64 " GiB as used; set it to 0 or 1",
			      config->memory_bytes / GIB);
		return -EOPNOTSUPP;
	}
	if (config->memory_bytes > MEMORY_LIMIT || config->table_bytes > TABLE_LIMIT) {
		config_report(config,
			      "a host of %" PRIu64 " GiB with %" PRIu64 " GiB of tables is too "
			      "large for a ThreadSanitizer build: 512 and 64 GiB are the most",
			      config->memory_bytes / GIB, config->table_bytes / GIB);
		return -EOPNOTSUPP;
	}
	return 0;
}

static void unmap_between(uint8_t *from, uint8_t *to)
{
	if (from != to)
		munmap(from, (size_t)(to - from));
}

static uint64_t round_to_pages(uint64_t bytes)
{
	return (bytes + TDP_PAGE_SIZE - 1) & ~(TDP_PAGE_SIZE - 1);
}

void *window_map(uint64_t bytes)
{
	uint64_t whole;
	uint8_t *start, *window;

	bytes = round_to_pages(bytes);
	whole = bytes + ALIGNMENT;
	start = mmap(NULL, whole, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (start == MAP_FAILED)
		return NULL;
	window = start + (-(uintptr_t)start & (ALIGNMENT - 1));
	unmap_between(start, window);
	unmap_between(window + bytes, start + whole);
	/* Keep the window out of core files, which would have terabytes of holes. */
	madvise(window, bytes, MADV_DONTDUMP);
	return window;
}

void window_unmap(void *window, uint64_t bytes)
{
	if (window)
		munmap(window, round_to_pages(bytes));
}

/*
 * Tables are dense and read at random, so huge pages pay. Data is touched sparsely, and
 * with a huge page one touch would cost 2 MiB; many installations use huge pages by default.
 */
void window_advise(void *window, uint64_t table_bytes, uint64_t data_offset, uint64_t data_bytes)
{
	madvise(window, table_bytes, MADV_HUGEPAGE);
	madvise((uint8_t *)window + data_offset, data_bytes, MADV_NOHUGEPAGE);
}
