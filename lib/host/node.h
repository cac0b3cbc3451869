/*
 * NUMA nodes: each has a share of the tables, of the memory that is free for
 * all, and of the pages set aside for huge backing. Which part a frame belongs
 * to follows from its number, so nothing is recorded for it.
 *
 *   tables    one share of [0, table_frames) each, cut at 2 MiB
 *   data      one share of the data region behind the carve-out each, cut at
 *             1 GiB; from its front: what is free, 2M pages set aside, 1G pages
 *             set aside
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
	unsigned int count; /* of nodes; immutable, as is where each begins and ends */
	struct hugetlb hugetlb;
	/*
	 * A bit for each table frame that somebody holds, so that a frame returned
	 * twice is caught even while it waits in a cache. Set by who takes, cleared
	 * by who returns; acquire-release, so that the second finds the first.
	 */
	atomic_u64 *live;
	struct node nodes[];
};

/* Item `index` of `count`, shared evenly by `nodes`: the node that has it, ... */
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
