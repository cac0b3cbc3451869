/*
 * A fault replaces a table by a huge leaf while one vCPU reads through the table, with
 * its entry in the paging-structure cache, and another maps into it (C3 of
 * lib/mmu/change.h and of lib/paging/walk_cache.h). Then a range of the huge leaf is zapped
 * whose flush takes no more than the range (policy range_flush exact): the pages that the
 * table had mapped must have gone from all TLBs before.
 */
#include <errno.h>

#include "support/bed.h"

static int read_lower(struct player *player)
{
	return bed_read(player, player->arg, 0);
}

static int read_its_neighbour(struct player *player)
{
	return bed_read(player, player->arg, 1);
}

static int read_upper(struct player *player)
{
	return bed_read(player, player->arg, 2);
}

static int zap_upper(struct player *player)
{
	const struct bed *bed = player->arg;

	tdp_mmu_zap_range(bed->stress->vm, tdp_gfn(bed->config.gfn + bed_offset(bed, 2)), 1);
	return 0;
}

/* The table is there, with a page in it. */
static int prepare(struct player *player)
{
	int err = bed_prepare(player);

	return err ? err : read_lower(player);
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_HALVES, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "lower", read_lower, bed);
	stress_cast_vcpu(stress, "neighbour", read_its_neighbour, bed);
	stress_cast_vcpu(stress, "upper", read_upper, bed);
	return stress_cast(stress, "zapper", zap_upper, bed, 1);
}

const struct scenario scenario_small_table_vs_huge = {
	.name = "small_table_vs_huge",
	.what = "a huge leaf replaces a table under a walk and a fault",
	.vcpus = 3,
	.steps = 800,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
