/*
 * A slot is deleted under a vCPU that has its page in the TLB and one that faults it
 * in. Once the deletion has returned nobody reaches the slot's memory any more
 * (lib/vm/slots.c).
 */
#include <errno.h>

#include "support/bed.h"

static int read_page(struct player *player)
{
	struct bed *bed = player->arg;
	enum tdp_outcome outcome;

	return bed_read_at(player, bed, bed->config.gfn, 0, &outcome);
}

static int write_page(struct player *player)
{
	struct bed *bed = player->arg;
	enum tdp_outcome outcome;

	return bed_write_at(player, bed, bed->config.gfn, 1, &outcome);
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
	return err ? err : read_page(player);
}

static int set_up(struct stress *stress)
{
	struct bed *bed = bed_create(
		stress, &(struct bed_config){.shape = BED_SMALL, .gfn = 0x1000, .absent = true});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_page, bed);
	stress_cast_vcpu(stress, "writer", write_page, bed);
	return stress_cast(stress, "landlord", delete, bed, 1);
}

const struct scenario scenario_small_slot_delete_vs_access = {
	.name = "small_slot_delete_vs_access",
	.what = "a slot is deleted under a reader and a fault",
	.vcpus = 2,
	.steps = 8000,
	.maxphyaddr = 36,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
