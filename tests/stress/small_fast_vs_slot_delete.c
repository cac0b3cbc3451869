/*
 * On a CPU without an accessed flag: a vCPU touches a page that has grown old, and gives
 * its rights back without a look at the slots or at mmu_lock, while the slot is deleted
 * (lib/mmu/fast.c, lib/vm/slots.c).
 */
#include <errno.h>

#include "support/bed.h"
#include "support/old.h"

static int write_page(struct player *player)
{
	struct bed *bed = player->arg;
	enum tdp_outcome outcome;

	return bed_write_at(player, bed, bed->config.gfn, 0, &outcome);
}

static int delete (struct player *player)
{
	struct bed *bed = player->arg;
	int err = bed_set_slot(player, bed, bed->config.gfn, 0);

	if (!err)
		bed_close(bed);
	return err;
}

static int prepare(struct player *player)
{
	struct bed *bed = player->arg;
	int err = bed_set_slot(player, bed, bed->config.gfn, bed->pages);

	if (!err)
		err = bed_prepare(player);
	if (!err)
		err = write_page(player);
	grow_old(player->stress, tdp_gfn(bed->config.gfn + bed_offset(bed, 0)));
	return err;
}

static int set_up(struct stress *stress)
{
	struct bed *bed = bed_create(
		stress, &(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000, .absent = true});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_page, bed);
	return stress_cast(stress, "landlord", delete, bed, 1);
}

const struct scenario scenario_small_fast_vs_slot_delete = {
	.name = "small_fast_vs_slot_delete",
	.what = "an old page is repaired without a lock while its slot is deleted",
	.vcpus = 1,
	.steps = 7000,
	.maxphyaddr = 36,
	.ept_only = true,
	.no_ad = true,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
