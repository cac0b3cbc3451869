/*
 * Dirty rings against a model of the log: vCPUs write until their rings are full; the
 * collector harvests and resets the rings and switches the logs on and off; the host
 * discards pages; ranges are zapped. No write may be lost (W1 of log_model.h).
 */
#include <errno.h>

#include "stress/stage/log_model.h"

#define BOOKS 2

struct world {
	struct log_model *models[BOOKS];
};

static struct log_model *some_book(struct player *player, const struct world *world)
{
	return world->models[player_below(player, BOOKS)];
}

static int write_books(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = log_model_visit(player, some_book(player, world));
		if (err == LOG_MODEL_RING_FULL) {
			player_delay(player, 5); /* for the collector */
			err = 0;
		}
	}
	return err;
}

/* A page that is mapped again is pushed again, which fills the rings. */
static int disturb(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		struct log_model *model = some_book(player, world);

		if (player_chance(player, 3))
			err = log_model_discard(player, model);
		else
			tdp_mmu_zap_range(player->stress->vm, model->config.gfn,
					  1 + player_below(player, 600));
		player_delay(player, 10);
	}
	return err;
}

static int turn_some(struct player *player, struct log_model *model)
{
	if (model->on && player_chance(player, 3))
		return log_model_recreate(player, model);
	return log_model_switch(player, model, !model->on);
}

static int collect(struct player *player)
{
	const struct world *world = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 6))
			err = turn_some(player, some_book(player, world));
		else
			err = log_model_collect_rings(player, world->models, BOOKS);
		player_delay(player, 20);
	}
	return err ? err : log_model_collect_rings(player, world->models, BOOKS);
}

static void configure(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random)
{
	config->dirty_ring = 1024; /* large enough for a whole log of the CPU (PML) */
	config->dirty_ring_with_bitmap = random & 1;
	policy->eager_split = random & 4 ? TDP_ON : TDP_OFF;
	policy->recovery = random & 8 ? TDP_RECOVERY_IN_PLACE : TDP_RECOVERY_ZAP;
	if (random & 16)
		policy->dirty_track = TDP_DIRTY_TRACK_WRPROT;
}

static int set_up(struct stress *stress)
{
	static const struct log_model_config configs[BOOKS] = {{0, {0x1000}, 1, TDP_4K},
							       {1, {0x2000}, 2, TDP_2M}};
	struct world *world = stress_allocate(stress, sizeof(*world));

	if (!world)
		return -ENOMEM;
	for (unsigned int i = 0; i < BOOKS; i++) {
		world->models[i] =
			log_model_create(stress, &configs[i], stress->config.manual_protect);
		if (!world->models[i])
			return -ENOMEM;
	}
	stress_cast_vcpus(stress, write_books, world);
	stress_cast(stress, "collector", collect, world, 1);
	stress_cast(stress, "disturber", disturb, world, 1);
	return stress_cast_checker(stress);
}

const struct scenario scenario_dirty_ring = {
	.name = "dirty_ring",
	.what = "no write is lost while rings fill, are harvested and reset",
	.vcpus = 3,
	.steps = 20000,
	.configure = configure,
	.set_up = set_up,
};
