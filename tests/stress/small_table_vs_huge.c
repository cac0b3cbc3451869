/*
 * A fault replaces a table by a huge leaf while one vCPU reads through the table, with
 * its entry in the paging-structure cache, and another maps into it (C3 of
 * lib/mmu/change.h and of lib/paging/walk_cache.h).
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
	return stress_cast_vcpu(stress, "upper", read_upper, bed);
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
