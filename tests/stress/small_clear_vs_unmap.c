/*
 * The log is read and cleared while the host discards the page and a vCPU writes it, by
 * the existing entry or by a fault: the clear finds an empty entry or another leaf (P2 of
 * lib/mmu/protect.h), and the log has the write (W1 of stress/stage/log_model.h).
 */
#include <errno.h>

#include "stress/stage/log_model.h"

static int write_page(struct player *player)
{
	return log_model_write(player, player->arg, 0);
}

static int take_back(struct player *player)
{
	return log_model_discard_at(player, player->arg, 0);
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
	int err = model->on ? 0 : log_model_switch(player, model, true);

	if (!err)
		err = log_model_write(player, model, 0);
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
	stress_cast(stress, "host", take_back, model, 1);
	return stress_cast(stress, "collector", collect, model, 1);
}

const struct scenario scenario_small_clear_vs_unmap = {
	.name = "small_clear_vs_unmap",
	.what = "the log is cleared while its pages come and go",
	.vcpus = 1,
	.steps = 500,
	.configure = configure,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = collect,
};
