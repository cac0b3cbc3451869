/*
 * The dirty log against a model of it: vCPUs write, one of them as an L2 guest; the
 * collector switches the log on and off, reads it and clears it; the host discards pages;
 * ranges are zapped and aged. No write may be lost (W1 of log_model.h).
 */
#include <errno.h>

#include "stress/stage/log_model.h"

struct world {
	struct log_model *small, *huge;
};

static int write_both(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player->number == 0 && player_chance(player, 8))
			err = tdp_vcpu_set_guest_mode(player->vcpu, !player_chance(player, 3));
		if (!err)
			err = log_model_visit(player, player_chance(player, 2) ? world->small
									       : world->huge);
	}
	return err;
}

static int disturb(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct log_model *model = player_chance(player, 2) ? world->small : world->huge;
		uint64_t first = model->config.gfn.n + player_below(player, 1024);

		if (player_chance(player, 3))
			err = log_model_discard(player, model);
		else if (player_chance(player, 8))
			tdp_mmu_zap_all_fast(player->stress->vm);
		else
			tdp_mmu_zap_range(player->stress->vm, tdp_gfn(first),
					  1 + player_below(player, 64));
		player_delay(player, 20);
	}
	return err;
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->manual_protect = (enum tdp_manual_protect)(random % 3);
	policy->eager_split = random & 4 ? TDP_ON : TDP_OFF;
	policy->recovery = random & 8 ? TDP_RECOVERY_IN_PLACE : TDP_RECOVERY_ZAP;
	if (random & 16)
		policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
}

static int set_up(struct stress *stress)
{
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	world->small =
		log_model_create(stress, &(struct log_model_config){0, tdp_gfn(0x1000), 1, TDP_4K},
				 stress->config.manual_protect);
	world->huge =
		log_model_create(stress, &(struct log_model_config){1, tdp_gfn(0x2000), 2, TDP_2M},
				 stress->config.manual_protect);
	if (!world->small || !world->huge)
		return -ENOMEM;
	stress_cast_vcpus(stress, write_both, world);
	stress_cast(stress, "collector", log_model_collector, world->small, 1);
	stress_cast(stress, "collector", log_model_collector, world->huge, 1);
	stress_cast(stress, "disturber", disturb, world, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_dirty_log = {
	.name = "dirty_log",
	.what = "no write is lost while the log is read, cleared, and turned on and off",
	.vcpus = 3,
	.steps = 20000,
	.configure = configure,
	.set_up = set_up,
};
