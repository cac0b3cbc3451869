/*
 * A page that has been reported is aged while a vCPU writes it, which restores W without
 * mmu_lock or makes the CPU set D. Ageing, with or without mmu_lock, must not write back
 * an entry that it read earlier (A2 of lib/mmu/age.h). The log is read meanwhile.
 */
#include <errno.h>

#include "stress/stage/log_model.h"

static int write_page(struct player *player)
{
	return log_model_write(player, player->arg, 0);
}

static int age(struct player *player)
{
	const struct log_model *model = player->arg;
	uint64_t start = tdp_anon_backing(model->anon)->hva;

	tdp_host_age(player->stress->host, start, start + TDP_PAGE_SIZE);
	return 0;
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
	stress_cast(stress, "ager", age, model, 1);
	return stress_cast(stress, "collector", collect, model, 1);
}

const struct scenario scenario_small_age_vs_fast = {
	.name = "small_age_vs_fast",
	.what = "a logged page is aged under a fast page fault",
	.vcpus = 1,
	.steps = 300,
	.configure = configure,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = collect,
};
