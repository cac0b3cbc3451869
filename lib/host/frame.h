/*
 * Frames: who owns which 4 KiB of the host
 *
 * A buddy allocator for each NUMA node hands out blocks of 4K, 2M and 1G.
 * Table frames come from 2M blocks of their own, because the experiments with
 * the direct map and the RMP depend on who sits next to whom. State is kept for
 * each 2M block, and for each 4K page only inside a block that is split.
 */
#ifndef TDPSIM_HOST_FRAME_H
#define TDPSIM_HOST_FRAME_H

#include "host/host.h"

/* Room for one page table's record, see table_of() in paging/table.h. */
#define FRAME_RECORD_BYTES 64

int frame_allocator_create(struct tdp_host *host);
void frame_allocator_destroy(struct tdp_host *host);

/*
 * A frame for a page table, content undefined. From the caller's cache, else a
 * batch from the node. -ENOMEM if there is none (or the fail hook says so).
 */
int frame_alloc_table(struct host_caller *caller, tdp_pfn_t *pfn);
/* Into the caller's cache or the node's list; poisoned first under `check`. `caller` may be NULL.
 */
void frame_free_table(struct tdp_host *host, struct host_caller *caller, tdp_pfn_t pfn);

/*
 * A naturally aligned block of data frames at `level` (1, 2 or 3), from `node`
 * (-1: the caller's) or, if that has none, any other. Content undefined. -ENOMEM.
 */
int frame_alloc_data(struct host_caller *caller, int node, unsigned int level, tdp_pfn_t *pfn);
void frame_free_data(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level);

/* Gives back what the caller has at hand; before its node changes, and at its end. */
void frame_cache_drain(struct host_caller *caller);

/* For the checker: has somebody got this table frame, or this data frame? */
bool frame_table_in_use(const struct tdp_host *host, tdp_pfn_t pfn);
/* The carve-out is always in use; what is no data frame never is. */
bool frame_data_in_use(const struct tdp_host *host, tdp_pfn_t pfn);

/* Frames in no use and in no cache. */
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
