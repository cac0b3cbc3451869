/*
 * Frames: the owner of each 4 KiB of the host
 *
 * Each NUMA node has a buddy allocator of 4K, 2M and 1G blocks. Table frames come from 2M
 * blocks of their own, because experiments with the direct map and the RMP depend on which
 * pages are neighbours. There is state for each 2M block, and for each 4K page only inside
 * a block that is split.
 */
#ifndef TDPSIM_HOST_FRAME_H
#define TDPSIM_HOST_FRAME_H

#include "host/host.h"

/* Room for one page table's record, see table_of() in paging/table.h. */
#define FRAME_RECORD_BYTES 64

int frame_allocator_create(struct tdp_host *host);
void frame_allocator_destroy(struct tdp_host *host);

/*
 * Allocates a frame for a page table, content undefined, from the caller's cache; refills
 * an empty cache from the node. -ENOMEM if no frame is free, or the fail hook says so.
 */
int frame_alloc_table(struct host_caller *caller, tdp_pfn_t *pfn);
/*
 * Frees a table frame into the caller's cache or to its node; poisons it first under `check`.
 * `caller` may be NULL.
 */
void frame_free_table(struct tdp_host *host, struct host_caller *caller, tdp_pfn_t pfn);

/*
 * Allocates a naturally aligned block of data frames at `level` (1, 2 or 3), content
 * undefined, from `node` (-1: the caller's), else from any other node. -ENOMEM.
 */
int frame_alloc_data(struct host_caller *caller, int node, unsigned int level, tdp_pfn_t *pfn);
void frame_free_data(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level);

/* Frees the frames in the caller's cache. Called before its node changes, and at its end. */
void frame_cache_drain(struct host_caller *caller);

/* For the checker: is this table frame, or this data frame, allocated? */
bool frame_table_in_use(const struct tdp_host *host, tdp_pfn_t pfn);
/* True for the whole carve-out; false for a frame that is no data frame. */
bool frame_data_in_use(const struct tdp_host *host, tdp_pfn_t pfn);

/* Frames that are neither allocated nor in a cache. */
struct frame_counts {
	uint64_t free_tables;
	uint64_t free_data;
};
void frame_count(struct tdp_host *host, struct frame_counts *counts);

/* The record of a table frame; FRAME_RECORD_BYTES, zero when first seen. */
static inline void *frame_record(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return host->records + pfn.n * FRAME_RECORD_BYTES;
}

static inline bool frame_is_table(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return pfn.n < host->table_frames;
}

#define FRAME_POISON 0x6b6b6b6b6b6b6b6bULL

#endif
