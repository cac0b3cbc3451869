/*
 * Logging of a slot ends, and its tables are removed under the shared lock so that huge
 * leaves return, while a fetch links such a table and puts it on the list for NX recovery:
 * the table may be gone before it is on the list (X2 of lib/mmu/nx.h).
 */
#include <errno.h>

#include "stress/stage/page_set.h"

static int execute(struct player *player)
{
	return page_set_fetch(player, player->arg, 0);
}

static int stop_logging(struct player *player)
{
	return page_set_log(player, player->arg, false);
}

static int prepare(struct player *player)
{
	int err = page_set_prepare(player);

	return err ? err : page_set_log(player, player->arg, true);
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	(void)config;
	(void)random;
	policy->recovery = TDP_RECOVERY_ZAP;
}

static int set_up(struct stress *stress)
{
	struct page_set *set = page_set_create(
		stress, &(struct page_set_config){.shape = PAGE_SET_2M, .gfn = 0x1000});

	if (!set)
		return -ENOMEM;
	stress_cast_vcpu(stress, "executor", execute, set);
	return stress_cast(stress, "landlord", stop_logging, set, 1);
}

const struct scenario scenario_small_nx_fetch_vs_log_end = {
	.name = "small_nx_fetch_vs_log_end",
	.what = "a fetch makes a table while those of its slot go",
	.vcpus = 1,
	.steps = 500,
	.nx_ratio = 1,
	.configure = configure,
	.set_up = set_up,
	.prepare = prepare,
	.verify_round = page_set_verify_round,
};
