/*
 * Directory: an array of zeroed records that costs memory only where it is used
 *
 * Two levels: a table of pointers, made with the directory, to leaves of 512
 * records, made at the first use of one of them. A record, once made, stays where
 * it is until the directory ends.
 *
 * Threads: everything but init and fini may be called by any thread at any time.
 * A leaf is published by a compare-and-swap (release) that pairs with the acquire
 * of every look at it, so its zeroes are seen before its address.
 */
#ifndef TDPSIM_HOST_DIRECTORY_H
#define TDPSIM_HOST_DIRECTORY_H

#include "host/host.h"
#include "platform/check.h"

#define DIRECTORY_LEAF 512

struct directory {
	struct tdp_host *host; /* immutable, as are all fields except the leaves */
	uint64_t records;
	size_t record_bytes;
	atomic_ptr *leaves; /* NULL until made, then for good; order above */
};

/* -ENOMEM */
int directory_init(struct directory *directory, struct tdp_host *host, uint64_t records,
		   size_t record_bytes);
void directory_fini(struct directory *directory);

/* The record at `index`; NULL if it was never made. `record_bytes` must be the directory's. */
static inline void *directory_find(const struct directory *directory, uint64_t index,
				   size_t record_bytes)
{
	uint8_t *leaf;

	DCHECK(index < directory->records);
	leaf = ptr_load_acquire(&directory->leaves[index / DIRECTORY_LEAF]);
	return leaf ? leaf + index % DIRECTORY_LEAF * record_bytes : NULL;
}

/* The record at `index`, which is made if it does not exist; NULL if out of memory. */
void *directory_make(struct directory *directory, uint64_t index);

/*
 * The first existing record in [*index, end), with its index stored in *index; NULL if
 * there is none.
 */
void *directory_next(const struct directory *directory, uint64_t *index, uint64_t end);

#endif
