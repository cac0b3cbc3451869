/*
 * Huge leaves of a logged slot are split before they are written: under the shared lock
 * when logging begins, and under the exclusive lock when the log is cleared. The lock is
 * dropped to allocate a table. Meanwhile vCPUs fault on the same leaves, ranges and whole
 * roots are zapped, the host discards the region, and the slot is deleted and created. No
 * write may be lost (W1 of log_model.h).
 *
 * Half of the stages have no observer, so that fast faults and clears take the shorter
 * path that an observer disables (mmu/fast.c, mmu/clear.c).
 */
#include <errno.h>

#include "stress/stage/log_model.h"

static int disturb(struct player *player)
{
	struct log_model *model = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 3))
			err = log_model_discard(player, model);
		else if (player_chance(player, 8))
			tdp_mmu_zap_all_fast(player->stress->vm);
		else
			tdp_mmu_zap_range(player->stress->vm, model->config.gfn,
					  1 + player_below(player, 600));
		player_delay(player, 20);
	}
	return err;
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->manual_protect = random & 1 ? TDP_MANUAL_PROTECT_ALL_SET : TDP_MANUAL_PROTECT_OFF;
	policy->eager_split = TDP_ON;
	policy->recovery = random & 8 ? TDP_RECOVERY_IN_PLACE : TDP_RECOVERY_ZAP;
	if (random & 16)
		policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
	config->check = random & 64;
}

static int set_up(struct stress *stress)
{
	struct log_model *model =
		log_model_create(stress, &(struct log_model_config){0, tdp_gfn(0x1000), 2, TDP_2M},
				 stress->config.manual_protect);

	if (!model)
		return -ENOMEM;
	stress_cast_vcpus(stress, log_model_writer, model);
	stress_cast(stress, "collector", log_model_collector, model, 1);
	return stress_cast(stress, "disturber", disturb, model, 1); /* checked at the end */
}

const struct scenario scenario_eager_split = {
	.name = "eager_split",
	.what = "eager splits against faults, zaps, and a slot that comes and goes",
	.vcpus = 2,
	.steps = 20000,
	.configure = configure,
	.set_up = set_up,
};
