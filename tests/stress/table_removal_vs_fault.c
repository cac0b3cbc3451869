/*
 * One vCPU's faults ask for 2M and replace the table that is there by a huge leaf;
 * the others' ask for 4K, zap that leaf again and map pages into a new table (policy
 * TDP_HUGE_FAULT_ZAP). All of it under the shared lock, fault upon fault: who is
 * late must fail (C3 of lib/mmu/change.h), or its leaf is lost with the table and
 * counted for ever.
 */
#include <errno.h>

#include "support/plot.h"

/*
 * Pages that ask for 4K, and one that asks for 2M (terrain.h, halves). Few, and at
 * the table's beginning: a remover comes by while a fault is on its way there.
 */
#define SMALL_FIRST 1
#define SMALL_PAGES 16
#define HUGE_PAGE   300

#define EPT_READ_OF_LINEAR_ADDRESS 0x181
#define NPT_READ_OF_FINAL_PAGE	   (1ULL << 32 | 4)

static int fault(struct player *player, tdp_gfn_t gfn)
{
	struct tdp_fault fault = {
		.gpa = gfn.n << TDP_PAGE_SHIFT,
		.error_code = player->stress->format == TDP_EPT ? EPT_READ_OF_LINEAR_ADDRESS
								: NPT_READ_OF_FINAL_PAGE,
	};
	enum tdp_fault_result result = TDP_FAULT_RETRY;
	int err = tdp_vcpu_load_root(player->vcpu);

	if (!err)
		err = tdp_vcpu_fault(player->vcpu, &fault, &result);
	if (err == -ENOMEM) /* freed tables wait, see player_access() */
		return 0;
	if (err || result == TDP_FAULT_EMULATE || result == TDP_FAULT_WRITE_PROTECTED)
		return player_fail(player, "gfn 0x%llx: a fault ended with %d, %d",
				   (unsigned long long)gfn.n, (int)result, err);
	return 0;
}

static int run_guest(struct player *player)
{
	const struct plot *plot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		uint64_t page = HUGE_PAGE;

		if (player->number > 0)
			page = SMALL_FIRST + player_below(player, SMALL_PAGES);
		err = fault(player, tdp_gfn(plot->gfn[0].n + page));
	}
	return err;
}

static int set_up(struct stress *stress)
{
	struct plot *plot =
		plot_create(stress, &(struct terrain_config){.regions = 1, .halves = true}, 0, 0,
			    tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	return stress_cast_vcpus(stress, run_guest, plot); /* checked at the end */
}

const struct scenario scenario_table_removal_vs_fault = {
	.name = "table_removal_vs_fault",
	.what = "a vCPU removes the table that others map into",
	.vcpus = 3,
	.huge_fault = TDP_HUGE_FAULT_ZAP,
	.set_up = set_up,
};
