/*
 * The host unmaps a slot that spans several tables and yields between them, while the root
 * is invalidated and a vCPU puts the last reference to it: the walk needs its own
 * reference (Z3 of lib/mmu/zap.h, R2 of lib/mmu/root.h).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

#define APART (1ULL << 18) /* what an entry of level 3 spans */

static int read_page(struct player *player)
{
	return page_set_read(player, player->arg, 0);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int unmap(struct player *player)
{
	const struct page_set *set = player->arg;
	uint64_t start = set->backing.hva, past = start + set->backing.bytes;

	tdp_host_invalidate_begin(set->stress->host, start, past);
	tdp_host_invalidate_end(set->stress->host, start, past);
	return 0;
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress,
		&(struct page_set_config){.shape = PAGE_SET_4K, .gfn = 0x1000, .pages = 3 * APART});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, set);
	stress_cast(stress, "zapper", zap, set, 1);
	return stress_cast(stress, "unmapper", unmap, set, 1);
}

const struct scenario scenario_small_root_put = {
	.name = "small_root_put",
	.what = "an unmap yields in a root whose last reference is put",
	.vcpus = 1,
	.steps = 10000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = page_set_prepare,
	.verify_round = page_set_verify_round,
};
