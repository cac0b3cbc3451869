/*
 * Pages set aside for huge backing: how many, where, and who has a claim on
 * them. As with hugetlbfs a mapping reserves all it may ever need when it is
 * made, so that a fault cannot run out later.
 */
#ifndef TDPSIM_HOST_HUGETLB_H
#define TDPSIM_HOST_HUGETLB_H

#include "host/host.h"

struct hugetlb {
	/*
	 * Pages nobody has reserved, for 2M and 1G. Changed by compare-and-swap by
	 * any thread; acquire-release, though nothing is published by them: the
	 * pages themselves change hands under their buddy's lock.
	 */
	atomic_u64 unreserved[2];
};

/* -EINVAL, with a report, if the pages do not fit into the nodes. */
int hugetlb_check(const struct tdp_host_config *config);

void hugetlb_init(struct hugetlb *hugetlb, const struct tdp_host_config *config);

/* Does the host set pages of this level aside? Never for 4K. */
bool hugetlb_has_pool(const struct tdp_host *host, unsigned int level);

/* Pages of `level` set aside on node `node`. */
uint64_t hugetlb_node_pages(const struct tdp_host_config *config, unsigned int level,
			    unsigned int node);

/* Only where there is a pool. -ENOMEM if fewer than `pages` are unreserved. */
int hugetlb_reserve(struct tdp_host *host, unsigned int level, uint64_t pages);
void hugetlb_unreserve(struct tdp_host *host, unsigned int level, uint64_t pages);

#endif
