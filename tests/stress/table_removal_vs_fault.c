/*
 * One vCPU's faults ask for 2M and replace the table that is there by a huge leaf;
 * the others' ask for 4K, zap that leaf again and map pages into a new table (policy
 * TDP_HUGE_FAULT_ZAP). All of it under the shared lock, fault upon fault: who is
 * late must fail (C3 of lib/mmu/change.h), or its leaf is lost with the table and
 * counted for ever.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

/*
 * Pages that ask for 4K, and one that asks for 2M (stamped.h, halves). Few, and at
 * the table's beginning: a remover comes by while a fault is on its way there.
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
