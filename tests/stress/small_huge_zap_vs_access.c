/*
 * A write breaks up a huge leaf that another vCPU has in its TLB, then the host moves a
 * page of it that nobody has faulted in again: that page is mapped nowhere, so nobody
 * flushes for it. The flush must have been made when the leaf went
 * (entry_zap_atomic() in lib/mmu/change.c; policy TDP_HUGE_FAULT_ZAP).
 */
#include <errno.h>

#include "support/bed.h"

static int read_far(struct player *player)
{
	return bed_read(player, player->arg, 3);
}

static int write_near(struct player *player)
{
	return bed_write(player, player->arg, 0);
}

static int move_far(struct player *player)
{
	return bed_move(player, player->arg, 3);
}

/* The reader has the huge leaf in its TLB. */
static int prepare(struct player *player)
{
	int err = bed_prepare(player);

	return err ? err : read_far(player);
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_HUGE_TO_READ, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_far, bed);
	stress_cast_vcpu(stress, "writer", write_near, bed);
	return stress_cast(stress, "mover", move_far, bed, 1);
}

const struct scenario scenario_small_huge_zap_vs_access = {
	.name = "small_huge_zap_vs_access",
	.what = "a huge leaf is zapped under a reader's TLB, then a page moves",
	.vcpus = 2,
	.steps = 400,
	.huge_fault = TDP_HUGE_FAULT_ZAP,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
