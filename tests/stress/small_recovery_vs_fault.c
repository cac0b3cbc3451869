/*
 * Logging of a slot ends, and huge leaves replace the tables of split pages, in place or
 * by a zap, while one vCPU reads through a table that is removed, another one faults in
 * it, and the host moves the memory (lib/mmu/recover.h).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int read_lower(struct player *player)
{
	return page_set_read(player, player->arg, 0);
}

static int write_upper(struct player *player)
{
	return page_set_write(player, player->arg, 2);
}

static int stop_logging(struct player *player)
{
	return page_set_log(player, player->arg, false);
}

static int move(struct player *player)
{
	return page_set_move(player, player->arg, 0);
}

/* A write to logged memory has made a table; the page is in the TLB of the reader. */
static int prepare(struct player *player)
{
	struct page_set *set = player->arg;
	int err = page_set_prepare(player);

	if (!err)
		err = page_set_log(player, set, true);
	return err ? err : page_set_write(player, set, 0);
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	(void)config;
	policy->recovery = random & 1 ? TDP_RECOVERY_IN_PLACE : TDP_RECOVERY_ZAP;
	policy->eager_split = random & 2 ? TDP_ON : TDP_OFF;
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_2M, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "reader", read_lower, set);
	stress_cast_vcpu(stress, "writer", write_upper, set);
	stress_cast(stress, "landlord", stop_logging, set, 1);
	return stress_cast(stress, "mover", move, set, 1);
}

const struct scenario scenario_small_recovery_vs_fault = {
	.name = "small_recovery_vs_fault",
	.what = "huge leaves return under a walk, a fault and a move",
	.vcpus = 2,
	.steps = 1500,
	.configure = configure,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
