/*
 * The pool of huge pages: how many there are, where, and how many are reserved. As with
 * hugetlbfs, a new mapping reserves all pages that it may ever need, so that a later fault
 * cannot run out.
 */
#ifndef TDPSIM_HOST_HUGETLB_H
#define TDPSIM_HOST_HUGETLB_H

#include "host/host.h"

struct hugetlb {
	/*
	 * Unreserved pages, of 2M and of 1G. Any thread changes them by compare-and-swap,
	 * acquire-release, though the counts publish nothing: the pages themselves are
	 * allocated and freed under their buddy's lock.
	 */
	atomic_u64 unreserved[2];
};

/* -EINVAL, with a report, if the pages do not fit into the nodes. */
int hugetlb_check(const struct tdp_host_config *config);

void hugetlb_init(struct hugetlb *hugetlb, const struct tdp_host_config *config);

/* Does the host have a pool of pages of this level? Never for 4K. */
bool hugetlb_has_pool(const struct tdp_host *host, unsigned int level);

/* The pool's pages of `level` on node `node`. */
uint64_t hugetlb_node_pages(const struct tdp_host_config *config, unsigned int level,
			    unsigned int node);

/* Only if there is a pool of `level`. -ENOMEM if fewer than `pages` are unreserved. */
int hugetlb_reserve(struct tdp_host *host, unsigned int level, uint64_t pages);
void hugetlb_unreserve(struct tdp_host *host, unsigned int level, uint64_t pages);

#endif
