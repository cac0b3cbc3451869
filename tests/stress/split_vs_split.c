/*
 * The first write of every vCPU to a region that is mapped huge and read-only splits it,
 * or (policy) zaps it: several race for the same leaf, and one table wins. The data must
 * stay, and the gauges of leaves and tables must agree with a recount.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

/* All vCPUs read first, so that the huge leaf exists; then all write at once. */
static int read_then_write(struct player *player)
{
	struct moving_slot *slot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		unsigned int pages = stamped_pages(slot->memory);
		unsigned int region =
			(unsigned int)player_below(player, slot->memory->config.regions);

		for (unsigned int i = 0; i < STAMPED_PAGES && !err; i++)
			err = moving_slot_visit(player, slot, region * STAMPED_PAGES + i, false);
		if (!err)
			err = moving_slot_visit(player, slot,
						(unsigned int)player_below(player, pages), true);
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot = moving_slot_create(
		stress, &(struct stamped_config){.regions = 2, .write_breaks = true}, 0, 0,
		tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, read_then_write, slot);
	stress_cast(stress, "region mover", moving_slot_region_mover, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_split_vs_split = {
	.name = "split_vs_split",
	.what = "several vCPUs split the same huge leaf",
	.vcpus = 4,
	.set_up = set_up,
};
