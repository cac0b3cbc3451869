/*
 * A slot is logged no more, and huge leaves come back where its pages had been split, in
 * place or by a zap, while one vCPU reads through the table that goes, another one
 * faults in it, and the host moves it all (lib/mmu/recover.h).
 */
#include <errno.h>

#include "support/bed.h"

static int read_lower(struct player *player)
{
	return bed_read(player, player->arg, 0);
}

static int write_upper(struct player *player)
{
	return bed_write(player, player->arg, 2);
}

static int stop_logging(struct player *player)
{
	return bed_log(player, player->arg, false);
}

static int move(struct player *player)
{
	return bed_move(player, player->arg, 0);
}

/* A table is there, made by a write to logged memory; the page is in the reader's TLB. */
static int prepare(struct player *player)
{
	struct bed *bed = player->arg;
	int err = bed_prepare(player);

	if (!err)
		err = bed_log(player, bed, true);
	return err ? err : bed_write(player, bed, 0);
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	(void)config;
	policy->recovery = random & 1 ? TDP_RECOVERY_IN_PLACE : TDP_RECOVERY_ZAP;
	policy->eager_split = random & 2 ? TDP_ON : TDP_OFF;
}

static int set_up(struct stress *stress)
{
	struct bed *bed =
		bed_create(stress, &(struct bed_config){.shape = BED_HUGE, .gfn = 0x1000});

	if (!bed)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_lower, bed);
	stress_cast_vcpu(stress, "writer", write_upper, bed);
	stress_cast(stress, "landlord", stop_logging, bed, 1);
	return stress_cast(stress, "mover", move, bed, 1);
}

const struct scenario scenario_small_recovery_vs_fault = {
	.name = "small_recovery_vs_fault",
	.what = "huge leaves are put back under a walk, a fault and a move",
	.vcpus = 2,
	.steps = 1500,
	.configure = configure,
	.set_up = set_up,
	.prepare = prepare,
	.settle = bed_judge,
};
