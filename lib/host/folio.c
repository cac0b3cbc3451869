/*
 * Folios, and data frames, which are folios by another name. Allocation neither clears nor
 * poisons a folio's memory: most experiments never touch it, and a touch would make the
 * host allocate real memory. Allocation charges the cost instead.
 */
#include "host/folio.h"

#include <errno.h>

#include "host/age.h"
#include "host/node.h"
#include "platform/charge.h"
#include "platform/check.h"

static struct buddy *source_buddy(struct node *node, unsigned int level, enum folio_source source)
{
	if (source == FOLIO_FREE)
		return &node->data;
	return level == TDP_2M ? &node->huge_2m : &node->huge_1g;
}

int folio_alloc(struct host_caller *caller, int node, unsigned int level, enum folio_source source,
		tdp_pfn_t *pfn)
{
	struct frame_allocator *allocator = caller->host->allocator;
	unsigned int first = (unsigned int)(node < 0 ? caller->node : node);
	struct buddy *buddy;

	CHECK(level >= TDP_4K && level <= TDP_1G && first < allocator->count);
	CHECK(source == FOLIO_FREE || level != TDP_4K);
	if (host_refuses(caller->host, TDP_ALLOCATE_DATA_FRAME))
		return -ENOMEM;
	for (unsigned int i = 0; i < allocator->count; i++) {
		buddy = source_buddy(&allocator->nodes[(first + i) % allocator->count], level,
				     source);
		if (buddy_take(buddy, level, pfn, 1)) {
			charge(CHARGE_PAGE_ALLOC, 1);
			age_changed(caller->host, *pfn, level);
			return 0;
		}
	}
	return -ENOMEM;
}

static uint64_t first_allocatable(const struct tdp_host *host)
{
	return host->data_first + host->config.carveout_bytes / TDP_PAGE_SIZE;
}

static struct node *node_of_data(const struct tdp_host *host, tdp_pfn_t pfn)
{
	uint64_t first = first_allocatable(host);

	CHECK(pfn.n >= first && pfn.n < host->frames);
	return &host->allocator->nodes[share_owner((pfn.n - first) / UNIT_FRAMES,
						   (host->frames - first) / UNIT_FRAMES,
						   host->allocator->count)];
}

void folio_free(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level)
{
	struct node *node = node_of_data(host, pfn);

	age_changed(host, pfn, level);
	if (buddy_holds(&node->data, pfn)) {
		buddy_put(&node->data, level, &pfn, 1);
	} else if (buddy_holds(&node->huge_2m, pfn)) {
		CHECK(level == TDP_2M);
		buddy_put(&node->huge_2m, level, &pfn, 1);
	} else {
		CHECK(level == TDP_1G);
		buddy_put(&node->huge_1g, level, &pfn, 1);
	}
}

int frame_alloc_data(struct host_caller *caller, int node, unsigned int level, tdp_pfn_t *pfn)
{
	return folio_alloc(caller, node, level, FOLIO_FREE, pfn);
}

void frame_free_data(struct tdp_host *host, tdp_pfn_t pfn, unsigned int level)
{
	folio_free(host, pfn, level);
}

bool frame_data_in_use(const struct tdp_host *host, tdp_pfn_t pfn)
{
	struct node *node;

	if (pfn.n < host->data_first || pfn.n >= host->frames)
		return false;
	if (pfn.n < first_allocatable(host))
		return true;
	node = node_of_data(host, pfn);
	if (buddy_holds(&node->data, pfn))
		return buddy_is_out(&node->data, pfn);
	return buddy_is_out(buddy_holds(&node->huge_2m, pfn) ? &node->huge_2m : &node->huge_1g,
			    pfn);
}
