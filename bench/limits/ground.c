#include "limits/ground.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/permute.h"

#define HUGE_SIZE ((size_t)2 << 20)

/* Maps more than needed, and unmaps the ends for the alignment. */
static void trim(char *from, char *to)
{
	if (from < to)
		munmap(from, (size_t)(to - from));
}

void *memory_map(size_t bytes, bool small_pages)
{
	char *all = mmap(NULL, bytes + HUGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *memory;

	if (all == MAP_FAILED)
		return NULL;
	memory = all + (-(uintptr_t)all & (HUGE_SIZE - 1));
	trim(all, memory);
	trim(memory + bytes, all + bytes + HUGE_SIZE);
	/* A kernel without huge pages refuses this; ground_huge_bytes() shows the result. */
	madvise(memory, bytes, small_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	return memory;
}

void memory_unmap(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

static size_t tables_bytes(const struct ground *ground)
{
	size_t bytes = ground->tables_count * sizeof(struct table);

	return (bytes + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
}

/* Tables of all four levels: a leaf table for each 512 pages, and so on upwards. */
static size_t count_tables(uint64_t pages)
{
	size_t all = 0, of_level = pages;

	for (unsigned int level = 1; level <= 4; level++) {
		of_level = (of_level + ENTRIES - 1) / ENTRIES;
		all += of_level;
	}
	return all;
}

/* Fisher-Yates shuffle, the same in every run. */
static void shuffle(uint32_t *order, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	for (uint64_t i = count; i > 1; i--) {
		uint64_t other = mix64(i) % i;
		uint32_t moved = order[i - 1];

		order[i - 1] = order[other];
		order[other] = moved;
	}
}

static int allocate(struct ground *ground)
{
	ground->tables = memory_map(tables_bytes(ground), ground->small_pages);
	ground->order = malloc(ground->pages * sizeof(*ground->order));
	ground->records = calloc(ground->tables_count, sizeof(*ground->records));
	if (!ground->tables || !ground->order || !ground->records)
		return -ENOMEM;
	memset(ground->tables, 0, tables_bytes(ground));
	shuffle(ground->order, ground->pages);
	return 0;
}

int ground_create(uint64_t guest_bytes, bool small_pages, struct ground **result)
{
	struct ground *ground = aligned_alloc(_Alignof(struct ground), sizeof(*ground));
	int err;

	if (!ground)
		return -ENOMEM;
	memset(ground, 0, sizeof(*ground));
	ground->pages = guest_bytes / 4096;
	ground->tables_count = count_tables(ground->pages);
	ground->small_pages = small_pages;
	pthread_rwlock_init(&ground->words.rwlock, NULL);
	pthread_mutex_init(&ground->words.mutex, NULL);
	err = allocate(ground);
	if (err) {
		ground_destroy(ground);
		return err;
	}
	*result = ground;
	return 0;
}

void ground_destroy(struct ground *ground)
{
	if (!ground)
		return;
	pthread_mutex_destroy(&ground->words.mutex);
	pthread_rwlock_destroy(&ground->words.rwlock);
	memory_unmap(ground->tables, tables_bytes(ground));
	free(ground->order);
	free(ground->records);
	free(ground);
}

/* proc(5), /proc/pid/smaps: a line "from-to ..." for a mapping, then its fields. */
uint64_t ground_huge_bytes(const struct ground *ground)
{
	uintptr_t address = (uintptr_t)ground->tables, from = 0, to = 0;
	FILE *file = fopen("/proc/self/smaps", "re");
	uint64_t kib = 0, bytes;
	char line[512];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to);
		if (address >= from && address < to &&
		    sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1)
			break;
	}
	fclose(file);
	bytes = ground->tables_count * sizeof(struct table);
	return kib * 1024 < bytes ? kib * 1024 : bytes;
}
