/*
 * NX huge pages with everything that removes tables: rounds of recovery, fast zaps of all
 * roots, the switch of the mitigation, and a host that moves memory. vCPUs execute, read
 * and write, and check the stamps that they read. The checker compares the list with the
 * tables (X3 of lib/mmu/nx.h), and the execute right of each leaf with the switch (X5).
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

struct world {
	struct moving_slot *slot;
	atomic_u64 taken; /* tables zapped by recovery; relaxed, read at the end */
};

static int execute(struct player *player, struct moving_slot *slot, unsigned int page)
{
	uint64_t gfn = slot->gfn[0].n + stamped_offset(page);
	struct tdp_access_result result;
	int err = player_access(player, gfn << TDP_PAGE_SHIFT, TDP_FETCH, NULL, 0, &result);

	if (err || result.outcome == TDP_ACCESS_DONE)
		return err;
	return player_fail(player, "gfn 0x%llx: outcome %d", (unsigned long long)gfn,
			   (int)result.outcome);
}

static int visit(struct player *player)
{
	struct moving_slot *slot = ((struct world *)player->arg)->slot;
	int err = 0;

	while (!err && player_goes_on(player)) {
		unsigned int page = (unsigned int)player_below(player, stamped_pages(slot->memory));

		err = player_chance(player, 3)
			      ? execute(player, slot, page)
			      : moving_slot_visit(player, slot, page, player_chance(player, 4));
	}
	return err;
}

static int recover(struct player *player)
{
	struct world *world = player->arg;

	while (player_goes_on(player)) {
		u64_add_relaxed(&world->taken, tdp_vm_recover_nx_huge_pages(player->stress->vm));
		player_delay(player, 6);
	}
	return 0;
}

static int zap(struct player *player)
{
	struct tdp_vm *vm = player->stress->vm;

	while (player_goes_on(player)) {
		if (player_chance(player, 3)) {
			tdp_vm_set_nx_huge_pages(vm, false);
			player_delay(player, 3);
			tdp_vm_set_nx_huge_pages(vm, true);
		} else {
			tdp_mmu_zap_all_fast(vm);
		}
		player_delay(player, 40);
	}
	return 0;
}

static int judge(struct stress *stress)
{
	const struct world *world = stress->world;

	return u64_load_relaxed(&world->taken) ? 0 : -ENODATA;
}

static int set_up(struct stress *stress)
{
	struct world *world = stress->world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->slot = moving_slot_create(stress,
					 &(struct stamped_config){.regions = 3, .huge_only = true},
					 0, 0, tdp_gfn(0x1000), tdp_gfn(0x9000), false);
	if (!world->slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, visit, world);
	stress_cast(stress, "recovery", recover, world, 1);
	stress_cast(stress, "zapper", zap, world, 1);
	stress_cast(stress, "region mover", moving_slot_region_mover, world->slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_nx_recovery_vs_zap = {
	.name = "nx_recovery_vs_zap",
	.what = "huge pages are recovered while roots and memory are removed",
	.vcpus = 2,
	.nx_ratio = 2,
	.set_up = set_up,
	.verify_end = judge,
};
