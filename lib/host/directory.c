/*
 * The two levels of a directory; see directory.h for its rules.
 */
#include "host/directory.h"

#include <errno.h>

#include "platform/check.h"

static uint64_t leaf_count(const struct directory *directory)
{
	return (directory->records + DIRECTORY_LEAF - 1) / DIRECTORY_LEAF;
}

static size_t leaf_bytes(const struct directory *directory)
{
	uint64_t records = directory->records;

	return (records < DIRECTORY_LEAF ? records : DIRECTORY_LEAF) * directory->record_bytes;
}

int directory_init(struct directory *directory, struct tdp_host *host, uint64_t records,
		   size_t record_bytes)
{
	*directory = (struct directory){
		.host = host,
		.records = records,
		.record_bytes = record_bytes,
	};
	directory->leaves = host_allocate(host, leaf_count(directory) * sizeof(atomic_ptr));
	return directory->leaves ? 0 : -ENOMEM;
}

void directory_fini(struct directory *directory)
{
	struct tdp_host *host = directory->host;

	for (uint64_t i = 0; i < leaf_count(directory); i++)
		host_release(host, ptr_load_acquire(&directory->leaves[i]), leaf_bytes(directory));
	host_release(host, directory->leaves, leaf_count(directory) * sizeof(atomic_ptr));
}

static void *record_at(const struct directory *directory, uint8_t *leaf, uint64_t index)
{
	return leaf + index % DIRECTORY_LEAF * directory->record_bytes;
}

static void *make_leaf(struct directory *directory, atomic_ptr *slot)
{
	void *leaf = host_allocate(directory->host, leaf_bytes(directory));
	void *found = NULL;

	if (!leaf)
		return ptr_load_acquire(slot); /* another thread may have made the leaf */
	if (ptr_cas_acq_rel(slot, &found, leaf))
		return leaf;
	host_release(directory->host, leaf, leaf_bytes(directory));
	return found;
}

void *directory_make(struct directory *directory, uint64_t index)
{
	atomic_ptr *slot = &directory->leaves[index / DIRECTORY_LEAF];
	uint8_t *leaf;

	DCHECK(index < directory->records);
	leaf = ptr_load_acquire(slot);
	if (!leaf)
		leaf = make_leaf(directory, slot);
	return leaf ? record_at(directory, leaf, index) : NULL;
}

void *directory_next(const struct directory *directory, uint64_t *index, uint64_t end)
{
	void *record;

	while (*index < end) {
		record = directory_find(directory, *index, directory->record_bytes);
		if (record)
			return record;
		*index = (*index / DIRECTORY_LEAF + 1) * DIRECTORY_LEAF;
	}
	return NULL;
}
