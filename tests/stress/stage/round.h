/*
 * Rounds: how a small scenario is run
 *
 * A small scenario has two to four players, each of which makes a few operations. All of them
 * together are a round. Before it, `prepare` creates the state from which the protocol under
 * test starts; after it, `verify_round` and the checker check the result.
 *
 * Under explore a run is one round, so that a search with few preemptions ends. Elsewhere
 * rounds follow each other until the time is up, with random delays before the operations;
 * all players meet at a barrier before and after a round.
 */
#ifndef TESTS_STRESS_STAGE_ROUND_H
#define TESTS_STRESS_STAGE_ROUND_H

#include "stress/stage/stress.h"

/* For stress.c: called before and after the players run. No effect without rounds. */
int round_begin(struct stress *stress);
int round_end(struct stress *stress);
/* The body of a player that makes round after round. */
int round_play(struct player *player);

#endif
