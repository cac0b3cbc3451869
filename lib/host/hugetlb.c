/*
 * The pool's pages lie at the end of each node's memory, the 1G pages last, so that they
 * stay aligned and never mix with general free memory (node.h).
 */
#include "host/hugetlb.h"

#include <errno.h>
#include <inttypes.h>

#include "host/config.h"
#include "host/node.h"
#include "host/report.h"
#include "platform/check.h"

static uint64_t pool_pages(const struct tdp_host_config *config, unsigned int level)
{
	if (level == TDP_2M)
		return config->hugetlb_2m;
	return level == TDP_1G ? config->hugetlb_1g : 0;
}

bool hugetlb_has_pool(const struct tdp_host *host, unsigned int level)
{
	return pool_pages(&host->config, level) != 0;
}

uint64_t hugetlb_node_pages(const struct tdp_host_config *config, unsigned int level,
			    unsigned int node)
{
	uint64_t pages = pool_pages(config, level);

	return share_first(node + 1, pages, config->nodes) -
	       share_first(node, pages, config->nodes);
}

static bool node_fits(const struct tdp_host_config *config, unsigned int node)
{
	uint64_t units = (config->memory_bytes - config->carveout_bytes) / GIB;
	uint64_t bytes = hugetlb_node_pages(config, TDP_2M, node) * 2 * MIB +
			 hugetlb_node_pages(config, TDP_1G, node) * GIB;

	units = share_first(node + 1, units, config->nodes) -
		share_first(node, units, config->nodes);
	return bytes <= units * GIB;
}

int hugetlb_check(const struct tdp_host_config *config)
{
	uint64_t most = config->memory_bytes / (2 * MIB);

	/* Check each count by itself first: the bytes of both may not fit into 64 bits. */
	if (config->hugetlb_2m > most || config->hugetlb_1g > most / UNIT_BLOCKS) {
		config_report(config,
			      "hugetlb_2m is %" PRIu64 " and hugetlb_1g is %" PRIu64
			      ": more than memory_bytes holds",
			      config->hugetlb_2m, config->hugetlb_1g);
		return -EINVAL;
	}
	for (unsigned int node = 0; node < config->nodes; node++) {
		if (node_fits(config, node))
			continue;
		config_report(config,
			      "hugetlb_2m (%" PRIu64 ") and hugetlb_1g (%" PRIu64
			      ") do not fit into node %u, which has to hold its even share",
			      config->hugetlb_2m, config->hugetlb_1g, node);
		return -EINVAL;
	}
	return 0;
}

void hugetlb_init(struct hugetlb *hugetlb, const struct tdp_host_config *config)
{
	u64_init(&hugetlb->unreserved[0], config->hugetlb_2m);
	u64_init(&hugetlb->unreserved[1], config->hugetlb_1g);
}

static atomic_u64 *unreserved(struct tdp_host *host, unsigned int level)
{
	CHECK(hugetlb_has_pool(host, level));
	return &host->allocator->hugetlb.unreserved[level - TDP_2M];
}

int hugetlb_reserve(struct tdp_host *host, unsigned int level, uint64_t pages)
{
	atomic_u64 *left = unreserved(host, level);
	uint64_t was = u64_load_acquire(left);

	do {
		if (was < pages)
			return -ENOMEM;
	} while (!u64_cas_acq_rel(left, &was, was - pages));
	return 0;
}

void hugetlb_unreserve(struct tdp_host *host, unsigned int level, uint64_t pages)
{
	uint64_t was = u64_add_acq_rel(unreserved(host, level), pages);

	CHECK(was + pages <= pool_pages(&host->config, level));
}
