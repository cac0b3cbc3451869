/*
 * The log is read all the time while vCPUs write a few 4K pages: each read removes the
 * right to write, and each write restores it by a fast fault without mmu_lock. If a fast
 * fault marked the page before it restores the right, a read in between would take the
 * mark and find no right to remove, and the next write would be lost (D2 of mmu/dirty.h,
 * W1 of log_model.h).
 *
 * Half of the stages have no observer, so that fast faults take their shorter path
 * (mmu/fast.c).
 */
#include <errno.h>

#include "stress/stage/log_model.h"

static int collect(struct player *player)
{
	struct log_model *model = player->arg;
	int err = log_model_switch(player, model, true);

	while (!err && player_goes_on(player))
		err = log_model_collect(player, model);
	return err ? err : log_model_collect(player, model);
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->manual_protect = random & 1 ? TDP_MANUAL_PROTECT_ON : TDP_MANUAL_PROTECT_OFF;
	policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
	config->check = random & 64;
}

static int set_up(struct stress *stress)
{
	struct log_model *model =
		log_model_create(stress, &(struct log_model_config){0, tdp_gfn(0x1000), 1, TDP_4K},
				 stress->config.manual_protect);

	if (!model)
		return -ENOMEM;
	stress_cast_vcpus(stress, log_model_writer, model);
	return stress_cast(stress, "collector", collect, model, 1); /* checked at the end */
}

const struct scenario scenario_fast_vs_log = {
	.name = "fast_vs_log",
	.what = "fast faults against a log that is read all the time",
	.vcpus = 2,
	.configure = configure,
	.set_up = set_up,
};
