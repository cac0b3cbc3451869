/*
 * On a CPU without accessed and dirty flags an old page has no rights at all, and
 * the next access gives them back without mmu_lock (lib/mmu/fast.c). Here pages
 * grow old all the time, by compare-and-swap as kvm_tdp_mmu_age_gfn_range() does
 * it, while the host moves them and ranges are zapped: a lost race must never give
 * back the rights of an entry that has gone.
 */
#include <errno.h>

#include "mmu/flush.h"
#include "mmu/lookup.h"
#include "mmu/root.h"
#include "support/plot.h"
#include "vm/vm.h"

static void age(struct mmu_actor *task, struct table *root, tdp_gfn_t gfn)
{
	struct mmu *mmu = task->mmu;
	struct lookup found;

	mmu_read_begin(task);
	found = lookup_last(mmu, root, gfn);
	if (spte_leaf(&mmu->encoding, found.entry, found.level) &&
	    !spte_access_tracked(&mmu->encoding, found.entry))
		u64_cas_acq_rel(found.slot, &found.entry,
				spte_to_tracked(&mmu->encoding, found.entry));
	mmu_read_end(task);
}

/* Under the shared lock: the flush is made before anybody can look for it. */
static int grow_old(struct player *player)
{
	struct plot *plot = player->arg;
	struct mmu *mmu = &player->stress->vm->mmu;

	while (player_goes_on(player)) {
		unsigned int page =
			(unsigned int)player_below(player, terrain_pages(plot->terrain));
		struct mmu_actor *task = mmu_task_get(mmu);
		struct mmu_shared shared = mmu_lock_shared(task);
		struct table *root = root_next(task, NULL, ROOTS_VALID, 0);

		if (root) {
			age(task, root, tdp_gfn(plot->gfn[0].n + terrain_offset(page)));
			mmu_flush_all(task);
			root_put(task, root);
		}
		mmu_unlock_shared(shared);
		mmu_task_put(task);
		player_dawdle(player, 2);
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
	struct plot *plot = plot_create(stress, &(struct terrain_config){.regions = 2}, 0, 0,
					tdp_gfn(0x1000), tdp_gfn(0x9000), false);

	if (!plot)
		return -ENOMEM;
	stress_cast_vcpus(stress, plot_visitor, plot);
	stress_cast(stress, "ager", grow_old, plot, 2);
	stress_cast(stress, "page mover", plot_page_mover, plot, 1);
	stress_cast(stress, "region mover", plot_region_mover, plot, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_fast_vs_zap = {
	.name = "fast_vs_zap",
	.what = "fast page faults against invalidations (EPT without A/D)",
	.vcpus = 3,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.judge = judge,
};
