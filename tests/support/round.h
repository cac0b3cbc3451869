/*
 * Rounds: how a small scenario is played
 *
 * A small scenario has two to four players, each with a part of a few operations. All
 * parts together are a round. Before it `prepare` brings about the state that the
 * protocol at hand begins from, after it `settle` and the checker judge.
 *
 * Under explore a run is one round, so that a search with few preemptions comes to an
 * end. Elsewhere round follows round until the time is up, with random pauses before
 * the parts: all meet at a barrier before a round and after it.
 */
#ifndef TESTS_SUPPORT_ROUND_H
#define TESTS_SUPPORT_ROUND_H

#include "support/stress.h"

/* For stress.c: before the players run, and after them. Nothing if there are no rounds. */
int round_begin(struct stress *stress);
int round_end(struct stress *stress);
/* A player, where round follows round. */
int round_play(struct player *player);

#endif
