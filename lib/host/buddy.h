/*
 * Buddy allocator: the free blocks of one range of frames
 *
 * There are three orders, 4K, 2M and 1G, each 512 of the one below. The allocator breaks a
 * block only when no smaller one is free, and merges it as soon as its last part is freed.
 * So state is sparse: a bit for each 1G unit, a record for each broken unit, and a record
 * for each broken 2M block.
 *
 * Promises
 *   B1  A frame is never allocated twice, alone or as a part of a block.
 *   B2  Within a broken block the lowest frame is allocated first, so that consecutive
 *       allocations are neighbours in memory.
 *   B3  A call that fails changes nothing.
 *   B4  Freeing what is not allocated, or at another level than it was allocated at,
 *       stops the program.
 *
 * Threads: everything here may be called by any thread. `lock` is a leaf;
 * metadata is allocated and released outside it.
 */
#ifndef TDPSIM_HOST_BUDDY_H
#define TDPSIM_HOST_BUDDY_H

#include <sys/queue.h>

#include "host/host.h"

#define BLOCK_FRAMES 512
#define UNIT_BLOCKS  512
#define UNIT_FRAMES  ((uint64_t)BLOCK_FRAMES * UNIT_BLOCKS)
#define MAP_WORDS    8 /* 512 bits */

struct broken_block;
struct broken_unit;

struct buddy {
	struct tdp_host *host; /* immutable, as is the next line */
	uint64_t first, end;   /* frames; multiples of 2 MiB, not always of 1 GiB */

	_Alignas(CACHE_LINE) struct spinlock lock; /* over all that follows */
	uint64_t free_frames;
	uint64_t *free_units;			  /* bitmap */
	uint64_t lowest_word;			  /* no free unit in the words below it */
	struct broken_unit **units;		  /* NULL unless broken */
	LIST_HEAD(, broken_unit) partial_units;	  /* those with a free 2M block */
	LIST_HEAD(, broken_block) partial_blocks; /* those with a free frame */
};

/* -ENOMEM: nothing is left behind. `first` == `end` is allowed. */
int buddy_init(struct buddy *buddy, struct tdp_host *host, uint64_t first, uint64_t end);
void buddy_fini(struct buddy *buddy);

static inline bool buddy_holds(const struct buddy *buddy, tdp_pfn_t pfn)
{
	return pfn.n >= buddy->first && pfn.n < buddy->end;
}

/*
 * Takes up to `want` blocks at `level` and returns how many it took: fewer than `want` if
 * memory or metadata runs out.
 */
unsigned int buddy_take(struct buddy *buddy, unsigned int level, tdp_pfn_t *pfns,
			unsigned int want);
void buddy_put(struct buddy *buddy, unsigned int level, const tdp_pfn_t *pfns, unsigned int count);

uint64_t buddy_free_frames(struct buddy *buddy);

/* Is the frame allocated, alone or in a larger block? The frame must be one of the buddy's. */
bool buddy_is_out(struct buddy *buddy, tdp_pfn_t pfn);

#endif
