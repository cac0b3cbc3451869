/*
 * On a CPU without accessed and dirty flags an aged page has no rights. The next access
 * restores them without mmu_lock (lib/mmu/fast.c), and neither change flushes TLBs. Pages
 * are aged all the time, with and without mmu_lock, while vCPUs write them through old TLB
 * entries and the host moves them. Ageing must not change an entry that has been removed,
 * a fast fault must not restore the rights of one, and the unmap of an aged page must
 * flush.
 */
#include <errno.h>

#include "stress/stage/moving_slot.h"

static int judge(struct stress *stress)
{
	struct tdp_stats stats;

	tdp_vm_stats(stress->vm, &stats);
	return stats.pf_fast ? 0 : -ENODATA;
}

static int set_up(struct stress *stress)
{
	struct moving_slot *slot =
		moving_slot_create(stress, &(struct stamped_config){.regions = 1}, 0, 0,
				   tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!slot)
		return -ENOMEM;
	stress_cast_vcpus(stress, moving_slot_visitor, slot);
	stress_cast(stress, "ager", moving_slot_ager, slot, 1);
	stress_cast(stress, "page mover", moving_slot_page_mover, slot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_age_vs_fast = {
	.name = "age_vs_fast",
	.what = "ageing against fast page faults (EPT without A/D)",
	.vcpus = 2,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.verify_end = judge,
};
