/*
 * Logging begins and ends repeatedly: huge leaves are split into tables, and tables become
 * huge leaves again, in place or by a zap, while vCPUs access the memory, pages age and
 * the host discards them. A leaf that replaces a table also maps pages that were not
 * mapped, or were protected. No write through it may be lost after logging has begun again
 * (W1 of log_model.h).
 */
#include <errno.h>

#include "stress/stage/log_model.h"

/* Switches the log on and off, and sometimes reads and checks it. */
static int turn(struct player *player)
{
	struct log_model *model = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (model->on && player_chance(player, 2))
			err = log_model_collect(player, model);
		if (!err)
			err = log_model_switch(player, model, !model->on);
		player_delay(player, 10);
	}
	return err || !model->on ? err : log_model_collect(player, model);
}

static int disturb(struct player *player)
{
	struct log_model *model = player->arg;
	const struct tdp_backing *backing = tdp_anon_backing(model->anon);
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 3))
			err = log_model_discard(player, model);
		else
			tdp_host_age(player->stress->host, backing->hva,
				     backing->hva + backing->bytes);
		player_delay(player, 20);
	}
	return err;
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->manual_protect = random & 1 ? TDP_MANUAL_PROTECT_ALL_SET : TDP_MANUAL_PROTECT_OFF;
	policy->eager_split = random & 4 ? TDP_ON : TDP_OFF;
	policy->recovery = random & 8 ? TDP_RECOVERY_IN_PLACE : TDP_RECOVERY_ZAP;
	policy->nx_huge_pages = random & 32 ? TDP_ON : TDP_OFF;
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
	stress_cast(stress, "turner", turn, model, 1);
	return stress_cast(stress, "disturber", disturb, model, 1); /* checked at the end */
}

const struct scenario scenario_recovery = {
	.name = "recovery",
	.what = "huge pages recovered against writes, ageing and unmaps",
	.vcpus = 2,
	.steps = 20000,
	.configure = configure,
	.set_up = set_up,
};
