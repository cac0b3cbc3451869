/* Runs the rounds of a small scenario. See round.h. */
#include "stress/stage/round.h"

#define DELAY_MOST 4 /* pauses before the operations of a player */

static struct player *first(struct stress *stress)
{
	return &stress->players[0];
}

int round_begin(struct stress *stress)
{
	if (!stress->scenario->prepare)
		return 0;
	if (stress->once)
		return stress->scenario->prepare(first(stress));
	u32_init(&stress->over, 0);
	return tdp_barrier_create(stress->player_count, &stress->rounds);
}

int round_end(struct stress *stress)
{
	if (!stress->once || !stress->scenario->verify_round)
		return 0;
	return stress->scenario->verify_round(first(stress));
}

/* The other players wait at the barrier. */
static int open_round(struct player *player, int err)
{
	bool over = err || !player_goes_on(player);

	if (!over) {
		err = player->stress->scenario->prepare(player);
		over = err;
	}
	if (over)
		u32_store_release(&player->stress->over, 1);
	return err;
}

/* All players have ended their operations. */
static int close_round(struct player *player)
{
	const struct scenario *scenario = player->stress->scenario;
	int err = scenario->verify_round ? scenario->verify_round(player) : 0;
	uint64_t violations;

	if (err)
		return err;
	violations = stress_inspect(player->stress);
	if (violations)
		return player_fail(player, "%llu violations", (unsigned long long)violations);
	return 0;
}

int round_play(struct player *player)
{
	struct stress *stress = player->stress;
	int err = 0;

	for (;;) {
		if (player == first(stress))
			err = open_round(player, err);
		tdp_barrier_wait(stress->rounds);
		if (u32_load_acquire(&stress->over))
			return err;
		player_delay(player, DELAY_MOST);
		err = player->body(player);
		tdp_barrier_wait(stress->rounds);
		if (player == first(stress) && !err)
			err = close_round(player);
	}
}
