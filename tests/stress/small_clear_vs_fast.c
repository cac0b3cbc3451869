/*
 * Two vCPUs write a page that has been reported: each restores W without mmu_lock, or its
 * CPU sets D, while the log is read and cleared. A read of the log takes the mark first
 * and then removes the right, so no write is lost (W1 of stress/stage/log_model.h, D2 of
 * lib/mmu/dirty.h). One vCPU runs an L2 guest, whose writes no CPU logs by D.
 */
#include <errno.h>

#include "stress/stage/log_model.h"

static int write_page(struct player *player)
{
	return log_model_write(player, player->arg, 0);
}

/* Reads the log and, with manual protection, clears it: the next write must be reported. */
static int collect(struct player *player)
{
	return log_model_collect(player, player->arg);
}

/* The page was written and reported; the next write must mark it again. */
static int prepare(struct player *player)
{
	struct log_model *model = player->arg;
	struct player *guest = &player->stress->players[1];
	int err = model->on ? 0 : log_model_switch(player, model, true);

	if (!err)
		err = tdp_vcpu_set_guest_mode(guest->vcpu, true);
	if (!err)
		err = write_page(player);
	if (!err)
		err = write_page(guest);
	return err ? err : collect(player);
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->manual_protect = (enum tdp_manual_protect)(random % 3);
	if (random & 4)
		policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
}

static int set_up(struct stress *stress)
{
	struct log_model *model =
		log_model_create(stress, &(struct log_model_config){0, tdp_gfn(0x1000), 1, TDP_4K},
				 stress->config.manual_protect);

	if (!model)
		return -ENOMEM;
	stress_cast_vcpu(stress, "writer", write_page, model);
	stress_cast_vcpu(stress, "L2 writer", write_page, model);
	return stress_cast(stress, "collector", collect, model, 1);
}

const struct scenario scenario_small_clear_vs_fast = {
	.name = "small_clear_vs_fast",
	.what = "the log is cleared under fast page faults",
	.vcpus = 2,
	.steps = 300,
	.configure = configure,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = collect,
};
