/*
 * Two vCPUs fault in pages of a huge leaf that the host maps by 4K to them: each freezes
 * the leaf, flushes, thaws it and links a table, and one of the two comes too late at
 * each step (C2 of lib/mmu/change.h; policy TDP_HUGE_FAULT_ZAP). A third, which asks
 * for a page of the other half, makes the leaf huge again.
 */
#include <errno.h>

#include "support/bed.h"

/* The leaf is there and allows it: the walk would not ask for a smaller one. */
static int map_page(struct player *player, unsigned int page)
{
	struct bed *bed = player->arg;
	int err = player_fault(player, tdp_gfn(bed->config.gfn + bed_offset(bed, page)));

	return err ? err : bed_read(player, bed, page);
}

static int map_lower(struct player *player)
{
	return map_page(player, 0);
}

static int map_its_neighbour(struct player *player)
{
	return map_page(player, 1);
}

static int read_upper(struct player *player)
{
	return bed_read(player, player->arg, 2);
}

/* The huge leaf is there, in the third one's TLB. */
static int prepare(struct player *player)
{
	int err = bed_prepare(player);

	return err ? err : read_upper(bed_player(player, 2));
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_HALVES, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "lower", map_lower, bed);
	stress_cast_vcpu(stress, "neighbour", map_its_neighbour, bed);
	return stress_cast_vcpu(stress, "upper", read_upper, bed);
}

const struct scenario scenario_small_freeze_vs_link = {
	.name = "small_freeze_vs_link",
	.what = "two vCPUs zap a huge leaf and link a table in its place",
	.vcpus = 3,
	.steps = 800,
	.huge_fault = TDP_HUGE_FAULT_ZAP,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
