/*
 * Huge leaves of a logged slot are split before they are written: under the shared lock
 * when logging begins, under the exclusive one when the log is cleared, each time with
 * the lock dropped for a table. Meanwhile vCPUs fault on the same leaves, ranges and
 * whole trees are zapped, the host takes the region back and the slot is made anew. No
 * write may be lost (W1 of log_model.h).
 *
 * In half of the stages nobody listens, so that the short ways are gone which the
 * checker would close: of fast faults and of clearing (mmu/unprotect.h, mmu/change.c).
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
