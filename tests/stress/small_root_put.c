/*
 * The host unmaps a slot that goes over several tables, and gives way in between,
 * while the root is invalidated and a vCPU puts the last reference to it: who
 * walks it needs one of its own (Z3 of lib/mmu/zap.h, R2 of lib/mmu/root.h).
 */
#include <errno.h>

#include "support/bed.h"

#define APART (1ULL << 18) /* what an entry of level 3 spans */

static int read_page(struct player *player)
{
	return bed_read(player, player->arg, 0);
}

static int zap(struct player *player)
{
	tdp_mmu_zap_all_fast(player->stress->vm);
	return 0;
}

static int unmap(struct player *player)
{
	const struct bed *bed = player->arg;
	uint64_t start = bed->backing.hva, past = start + bed->backing.bytes;

	tdp_host_invalidate_begin(bed->stress->host, start, past);
	tdp_host_invalidate_end(bed->stress->host, start, past);
	return 0;
}

static int set_up(struct stress *stress)
{
	struct bed *bed = bed_create(
		stress,
		&(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000, .pages = 3 * APART});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, bed);
	stress_cast(stress, "zapper", zap, bed, 1);
	return stress_cast(stress, "unmapper", unmap, bed, 1);
}

const struct scenario scenario_small_root_put = {
	.name = "small_root_put",
	.what = "an unmap gives way in a root whose last reference is put",
	.vcpus = 1,
	.steps = 10000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = bed_prepare,
	.settle = bed_judge,
};
