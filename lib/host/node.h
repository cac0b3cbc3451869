/*
 * NUMA nodes: each has a share of the table frames, of the general free memory, and of the
 * huge-page pools. The frame number says which part a frame belongs to, so no record of it
 * is needed.
 *
 *   tables    one share of [0, table_frames) each, cut at 2 MiB
 *   data      one share of the data region behind the carve-out each, cut at
 *             1 GiB; from its front: general free memory, the pool of 2M pages, the
 *             pool of 1G pages
 */
#ifndef TDPSIM_HOST_NODE_H
#define TDPSIM_HOST_NODE_H

#include "host/buddy.h"
#include "host/hugetlb.h"

struct node {
	struct buddy tables;
	struct buddy data;
	struct buddy huge_2m;
	struct buddy huge_1g;
};

struct frame_allocator {
	unsigned int count; /* of nodes; immutable, as are their boundaries */
	struct hugetlb hugetlb;
	/*
	 * A bit for each allocated table frame, so that a double free is caught even while
	 * the frame lies in a cache. The allocating actor sets it, the freeing actor clears
	 * it; acquire-release, so that a second free sees the first.
	 */
	atomic_u64 *live;
	struct node nodes[];
};

/* `count` items are shared evenly by `nodes`: the node that has item `index`, ... */
static inline unsigned int share_owner(uint64_t index, uint64_t count, unsigned int nodes)
{
	return (unsigned int)(((index + 1) * nodes - 1) / count);
}

/* ... and the first item of node `node`; that of `nodes` is the end. */
static inline uint64_t share_first(unsigned int node, uint64_t count, unsigned int nodes)
{
	return count * node / nodes;
}

static inline struct node *node_of_table(const struct tdp_host *host, tdp_pfn_t pfn)
{
	struct frame_allocator *allocator = host->allocator;

	return &allocator->nodes[share_owner(pfn.n / BLOCK_FRAMES,
					     host->table_frames / BLOCK_FRAMES, allocator->count)];
}

#endif
