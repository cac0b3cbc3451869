/*
 * The faults of one vCPU ask for 2M and replace the table by a huge leaf; those of the
 * others ask for 4K, zap that leaf and map pages into a new table (policy
 * TDP_HUGE_FAULT_ZAP). All of it happens under the shared lock: a fault that comes too
 * late must fail (C3 of lib/mmu/change.h), or its leaf is lost with the table and stays
 * counted.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

/*
 * Pages that ask for 4K, and one that asks for 2M (stamped.h, halves). Few, and at the start of the
 * table, so that a removal often meets a fault.
 */
#define SMALL_FIRST 1
#define SMALL_PAGES 16
#define HUGE_PAGE   300

static int run_guest(struct player *player)
{
	const struct moving_slot *slot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		uint64_t page = HUGE_PAGE;

		if (player->number > 0)
			page = SMALL_FIRST + player_below(player, SMALL_PAGES);
		err = player_fault(player, tdp_gfn(slot->gfn[0].n + page));
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 1, .halves = true},
				   0, 0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	return stress_cast_vcpus(stress, run_guest, slot); /* checked at the end */
}

const struct scenario scenario_table_removal_vs_fault = {
	.name = "table_removal_vs_fault",
	.what = "a vCPU removes the table that others map into",
	.vcpus = 3,
	.huge_fault = TDP_HUGE_FAULT_ZAP,
	.set_up = set_up,
};
