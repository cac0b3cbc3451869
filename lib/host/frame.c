/*
 * Frames: the nodes and their shares, and table frames with their caches
 *
 * A caller's cache is filled from, and drained to, its own node, half of the cache at a
 * time. A frame of another node never enters the cache, so no caller hoards remote memory.
 * Frame 0 is never allocated, because a table at address 0 would look like no table.
 *
 * When all nodes are empty, up to FRAME_CACHE_TABLES frames may still lie in each of the
 * other callers' caches. An allocation then fails; it does not take from those caches.
 */
#include "host/frame.h"

#include <errno.h>

#include "host/node.h"
#include "host/window.h"
#include "platform/charge.h"
#include "platform/check.h"

#define BATCH (FRAME_CACHE_TABLES / 2)

static size_t allocator_bytes(unsigned int nodes)
{
	return sizeof(struct frame_allocator) + nodes * sizeof(struct node);
}

static uint64_t live_bytes(const struct tdp_host *host)
{
	return host->table_frames / 8;
}

static int tables_init(struct tdp_host *host, struct node *node, unsigned int index)
{
	uint64_t blocks = host->table_frames / BLOCK_FRAMES;
	unsigned int nodes = host->config.nodes;

	return buddy_init(&node->tables, host, share_first(index, blocks, nodes) * BLOCK_FRAMES,
			  share_first(index + 1, blocks, nodes) * BLOCK_FRAMES);
}

static int data_init(struct tdp_host *host, struct node *node, unsigned int index)
{
	unsigned int nodes = host->config.nodes;
	uint64_t base = host->data_first + host->config.carveout_bytes / TDP_PAGE_SIZE;
	uint64_t units = (host->frames - base) / UNIT_FRAMES;
	uint64_t first = base + share_first(index, units, nodes) * UNIT_FRAMES;
	uint64_t end = base + share_first(index + 1, units, nodes) * UNIT_FRAMES;
	uint64_t first_1g = end - hugetlb_node_pages(&host->config, TDP_1G, index) * UNIT_FRAMES;
	uint64_t first_2m =
		first_1g - hugetlb_node_pages(&host->config, TDP_2M, index) * BLOCK_FRAMES;
	int err;

	err = buddy_init(&node->data, host, first, first_2m);
	if (!err)
		err = buddy_init(&node->huge_2m, host, first_2m, first_1g);
	if (!err)
		err = buddy_init(&node->huge_1g, host, first_1g, end);
	return err;
}

static int keep_frame_zero(struct frame_allocator *allocator)
{
	tdp_pfn_t pfn;

	if (buddy_take(&allocator->nodes[0].tables, TDP_4K, &pfn, 1) != 1)
		return -ENOMEM;
	CHECK(pfn.n == 0); /* buddy.h, B2 */
	return 0;
}

int frame_allocator_create(struct tdp_host *host)
{
	unsigned int nodes = host->config.nodes;
	struct frame_allocator *allocator;
	int err;

	allocator = host_allocate_aligned(host, _Alignof(struct frame_allocator),
					  allocator_bytes(nodes));
	if (!allocator)
		return -ENOMEM;
	host->allocator = allocator;
	allocator->count = nodes;
	hugetlb_init(&allocator->hugetlb, &host->config);
	allocator->live = window_map(live_bytes(host));
	err = allocator->live ? 0 : -ENOMEM;
	for (unsigned int i = 0; i < nodes && !err; i++) {
		err = tables_init(host, &allocator->nodes[i], i);
		if (!err)
			err = data_init(host, &allocator->nodes[i], i);
	}
	if (!err)
		err = keep_frame_zero(allocator);
	if (err)
		frame_allocator_destroy(host);
	return err;
}

void frame_allocator_destroy(struct tdp_host *host)
{
	struct frame_allocator *allocator = host->allocator;

	if (!allocator)
		return;
	for (unsigned int i = 0; i < allocator->count; i++) {
		buddy_fini(&allocator->nodes[i].tables);
		buddy_fini(&allocator->nodes[i].data);
		buddy_fini(&allocator->nodes[i].huge_2m);
		buddy_fini(&allocator->nodes[i].huge_1g);
	}
	window_unmap(allocator->live, live_bytes(host));
	host_release(host, allocator, allocator_bytes(allocator->count));
	host->allocator = NULL;
}

static void mark_taken(struct tdp_host *host, tdp_pfn_t pfn)
{
	uint64_t bit = (uint64_t)1 << (pfn.n % 64);

	CHECK(!(u64_or_acq_rel(&host->allocator->live[pfn.n / 64], bit) & bit));
}

static void mark_returned(struct tdp_host *host, tdp_pfn_t pfn)
{
	uint64_t bit = (uint64_t)1 << (pfn.n % 64);

	/* A table frame is freed once, and only if it is allocated. */
	CHECK(u64_and_acq_rel(&host->allocator->live[pfn.n / 64], ~bit) & bit);
}

/* Refills the cache, so that frames leave it by rising address. Returns how many it holds. */
static unsigned int cache_refill(struct host_caller *caller)
{
	struct frame_allocator *allocator = caller->host->allocator;
	struct node *node = &allocator->nodes[caller->node];
	tdp_pfn_t batch[BATCH];
	unsigned int count = buddy_take(&node->tables, TDP_4K, batch, BATCH);

	for (unsigned int i = 0; i < count; i++)
		caller->frames.tables[i] = batch[count - 1 - i];
	return count;
}

static int take_from_others(struct host_caller *caller, tdp_pfn_t *pfn)
{
	struct frame_allocator *allocator = caller->host->allocator;
	struct node *node;

	for (unsigned int i = 1; i < allocator->count; i++) {
		node = &allocator->nodes[((unsigned int)caller->node + i) % allocator->count];
		if (buddy_take(&node->tables, TDP_4K, pfn, 1))
			return 0;
	}
	return -ENOMEM;
}

static int take_table(struct host_caller *caller, tdp_pfn_t *pfn)
{
	struct frame_cache *cache = &caller->frames;
	unsigned int count = u32_load_relaxed(&cache->count);

	if (count == 0)
		count = cache_refill(caller);
	if (count == 0)
		return take_from_others(caller, pfn);
	*pfn = cache->tables[--count];
	u32_store_relaxed(&cache->count, count);
	return 0;
}

int frame_alloc_table(struct host_caller *caller, tdp_pfn_t *pfn)
{
	CHECK((unsigned int)caller->node < caller->host->allocator->count);
	if (host_refuses(caller->host, TDP_ALLOCATE_TABLE_FRAME))
		return -ENOMEM;
	if (take_table(caller, pfn)) {
		/* Freed tables may be waiting for an actor to notice that their grace period ended.
		 */
		rcu_poll(&caller->host->rcu);
		if (take_table(caller, pfn))
			return -ENOMEM;
	}
	mark_taken(caller->host, *pfn);
	charge(CHARGE_PAGE_ALLOC, 1);
	return 0;
}

/* Stores plainly, so that a race detector notices any actor that reads a freed table. */
static void poison(struct tdp_host *host, tdp_pfn_t pfn)
{
	uint64_t *words = frame_address(host, pfn);

	platform_lines(words, TDP_PAGE_SIZE, ENGINE_WRITE);
	for (unsigned int i = 0; i < TDP_PAGE_SIZE / sizeof(*words); i++)
		words[i] = FRAME_POISON;
}

static void cache_push(struct host_caller *caller, struct node *node, tdp_pfn_t pfn)
{
	struct frame_cache *cache = &caller->frames;
	unsigned int count = u32_load_relaxed(&cache->count);

	if (count == FRAME_CACHE_TABLES) {
		/* Free the older half: the younger half is still in the CPU's caches. */
		buddy_put(&node->tables, TDP_4K, cache->tables, BATCH);
		count -= BATCH;
		for (unsigned int i = 0; i < count; i++)
			cache->tables[i] = cache->tables[i + BATCH];
	}
	cache->tables[count++] = pfn;
	u32_store_relaxed(&cache->count, count);
}

void frame_free_table(struct tdp_host *host, struct host_caller *caller, tdp_pfn_t pfn)
{
	struct node *node;

	CHECK(frame_is_table(host, pfn));
	mark_returned(host, pfn);
	if (host->config.check)
		poison(host, pfn);
	node = node_of_table(host, pfn);
	if (caller && node == &host->allocator->nodes[caller->node])
		cache_push(caller, node, pfn);
	else
		buddy_put(&node->tables, TDP_4K, &pfn, 1);
}

bool frame_table_in_use(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return frame_is_table(host, pfn) &&
	       (u64_load_acquire(&host->allocator->live[pfn.n / 64]) >> (pfn.n % 64) & 1);
}

void frame_cache_drain(struct host_caller *caller)
{
	struct frame_cache *cache = &caller->frames;
	unsigned int count = u32_load_relaxed(&cache->count);

	for (unsigned int i = 0; i < count; i++)
		buddy_put(&node_of_table(caller->host, cache->tables[i])->tables, TDP_4K,
			  &cache->tables[i], 1);
	u32_store_relaxed(&cache->count, 0);
}

void frame_count(struct tdp_host *host, struct frame_counts *counts)
{
	struct node *node;

	*counts = (struct frame_counts){0};
	for (unsigned int i = 0; i < host->allocator->count; i++) {
		node = &host->allocator->nodes[i];
		counts->free_tables += buddy_free_frames(&node->tables);
		counts->free_data += buddy_free_frames(&node->data) +
				     buddy_free_frames(&node->huge_2m) +
				     buddy_free_frames(&node->huge_1g);
	}
}
