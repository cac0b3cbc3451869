/*
 * Players: the actors of a scenario, and what they may call.
 *
 * Players use include/tdpsim/run.h for time and waiting, and platform/atomic.h for what they
 * share, so a scenario runs on both engines. A player does not assert: a cmocka assertion in
 * an actor would end the process. It calls player_fail() and returns the result of that.
 */
#ifndef TESTS_STRESS_STAGE_PLAYER_H
#define TESTS_STRESS_STAGE_PLAYER_H

#include <tdpsim/tdpsim.h>

struct stress;
struct player;

/* Returns 0, or a negative number after player_fail(), or PLAYER_TIME_UP. */
typedef int player_body(struct player *player);

struct player {
	struct stress *stress;
	const char *name;
	player_body *body;
	void *arg;
	struct tdp_vcpu *vcpu; /* NULL: this player runs none */
	unsigned int number;   /* among the players of one stress_cast() */
	uint64_t random;       /* state of player_random() */
	uint64_t rounds;       /* calls of player_goes_on(), for the report */
};

/* False once the time is up or a player has failed. */
bool player_goes_on(struct player *player);
/* Prints what is wrong, ends the run, and returns a negative number. */
__attribute__((format(printf, 2, 3))) int player_fail(struct player *player, const char *format,
						      ...);
uint64_t player_random(struct player *player);
static inline uint64_t player_below(struct player *player, uint64_t bound)
{
	return player_random(player) % bound;
}
static inline bool player_chance(struct player *player, unsigned int one_in)
{
	return player_below(player, one_in) == 0;
}
/* Calls tdp_pause() a random number of times, at most `most`; sometimes yields the CPU. */
void player_delay(struct player *player, unsigned int most);

/* The time was up before an access had a result. */
#define PLAYER_TIME_UP 1

/* Makes an access by the player's vCPU. A result that no scenario allows is a failure. */
int player_access(struct player *player, uint64_t gpa, enum tdp_access access, void *data,
		  size_t bytes, struct tdp_access_result *result);

/* Calls the fault handler for a read, as if the vCPU had exited, whatever the tables hold. */
int player_fault(struct player *player, tdp_gfn_t gfn);

#endif
