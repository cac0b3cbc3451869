/*
 * A guest that migrates while everything else goes on: 16 players write, fetch and run as
 * L2; logs are switched on and off, read and cleared; slots are deleted and created; pages
 * age; huge pages are recovered; NX huge pages are switched on and off; the host discards
 * pages. The log model (log_model.h) and the checker check the results.
 */
#include <errno.h>

#include "stress/stage/log_model.h"

#define BOOKS 3

struct world {
	struct log_model *models[BOOKS];
};

static struct log_model *some_book(struct player *player, const struct world *world)
{
	return world->models[player_below(player, BOOKS)];
}

static int fetch(struct player *player, const struct log_model *model)
{
	uint64_t frames = model->config.regions * tdp_level_pages(TDP_2M);
	uint64_t gfn = model->config.gfn.n + player_below(player, frames);
	struct tdp_access_result result;

	return player_access(player, gfn << TDP_PAGE_SHIFT, TDP_FETCH, NULL, 0, &result);
}

static int run_guest(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct log_model *model = some_book(player, world);

		if (player_chance(player, 32))
			err = tdp_vcpu_set_guest_mode(player->vcpu, player_chance(player, 3));
		else if (player_chance(player, 5))
			err = fetch(player, model);
		else
			err = log_model_visit(player, model);
	}
	return err;
}

static int disturb(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct log_model *model = some_book(player, world);

		if (player_chance(player, 2))
			err = log_model_discard(player, model);
		else if (player_chance(player, 8))
			tdp_mmu_zap_all_fast(player->stress->vm);
		else
			tdp_mmu_zap_range(player->stress->vm, model->config.gfn,
					  1 + player_below(player, 600));
		player_delay(player, 30);
	}
	return err;
}

static int age(struct player *player)
{
	const struct world *world = player->arg;

	while (player_goes_on(player)) {
		const struct tdp_backing *backing =
			tdp_anon_backing(some_book(player, world)->anon);
		uint64_t start = backing->hva + player_below(player, backing->bytes);

		if (player_chance(player, 4))
			tdp_host_test_age(player->stress->host, start);
		else
			tdp_host_age(player->stress->host, start, backing->hva + backing->bytes);
		player_delay(player, 10);
	}
	return 0;
}

static int recover(struct player *player)
{
	bool on = true;

	while (player_goes_on(player)) {
		tdp_vm_recover_nx_huge_pages(player->stress->vm);
		if (player_chance(player, 16)) {
			on = !on;
			tdp_vm_set_nx_huge_pages(player->stress->vm, on);
		}
		player_delay(player, 20);
	}
	return 0;
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->manual_protect = (enum tdp_manual_protect)(random % 3);
	policy->eager_split = random & 4 ? TDP_ON : TDP_OFF;
	policy->recovery = random & 8 ? TDP_RECOVERY_IN_PLACE : TDP_RECOVERY_ZAP;
	policy->nx_huge_pages = TDP_ON;
	policy->nx_recovery_shared = random & 32 ? TDP_ON : TDP_OFF;
	policy->lockless_age = random & 64 ? TDP_ON : TDP_OFF;
	config->nx_recovery_ratio = 1 + (unsigned int)(random >> 8) % 3;
	if (random & 16)
		policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
	if (config->format == TDP_EPT && !(random >> 12 & 3))
		config->no_ad = true;
	if (config->no_ad)
		policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
}

static int set_up(struct stress *stress)
{
	static const struct log_model_config configs[BOOKS] = {
		{0, {0x1000}, 1, TDP_4K}, {1, {0x2000}, 2, TDP_2M}, {2, {0x3000}, 1, TDP_2M}};
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	for (unsigned int i = 0; i < BOOKS; i++) {
		world->models[i] =
			log_model_create(stress, &configs[i], stress->config.manual_protect);
		if (!world->models[i])
			return -ENOMEM;
	}
	stress_cast_vcpus(stress, run_guest, world);
	for (unsigned int i = 0; i < BOOKS; i++)
		stress_cast(stress, "collector", log_model_collector, world->models[i], 1);
	stress_cast(stress, "disturber", disturb, world, 1);
	stress_cast(stress, "ager", age, world, 1);
	stress_cast(stress, "recoverer", recover, world, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_logging_mix = {
	.name = "logging_mix",
	.what = "16 players: logging, splitting, recovery, NX, ageing, slots",
	.vcpus = 9,
	.steps = 20000,
	.configure = configure,
	.set_up = set_up,
};
