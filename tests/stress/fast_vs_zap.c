/*
 * On a CPU without accessed and dirty flags an aged page has no rights, and the next
 * access restores them without mmu_lock (lib/mmu/fast.c). Pages are aged all the time
 * (stress/stage/ageing.h) while the host moves them: a fast fault that loses the race must
 * not restore the rights of an entry that has been removed.
 */
#include <errno.h>

#include "stress/stage/ageing.h"
#include "stress/stage/moving_slot.h"

static int age(struct player *player)
{
	struct moving_slot *slot = player->arg;

	while (player_goes_on(player)) {
		unsigned int page = (unsigned int)player_below(player, stamped_pages(slot->memory));

		age_page(player->stress, tdp_gfn(slot->gfn[0].n + stamped_offset(page)));
		player_delay(player, 2);
	}
	return 0;
}

static int judge(struct stress *stress)
{
	struct tdp_stats stats;

	tdp_vm_stats(stress->vm, &stats);
	return stats.pf_fast ? 0 : -ENODATA;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 2}, 0, 0,
				   tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "ager", age, slot, 2);
	stress_cast(stress, "page mover", moving_slot_page_mover, slot, 1);
	stress_cast(stress, "region mover", moving_slot_region_mover, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_fast_vs_zap = {
	.name = "fast_vs_zap",
	.what = "fast page faults against invalidations (EPT without A/D)",
	.vcpus = 3,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.verify_end = judge,
};
