/*
 * Runs a scenario under one schedule after another until one fails. The runs share a
 * child process, so a run may abort, hang or exit without ending explore.
 */
#ifndef BENCH_TOOLS_EXPLORE_HUNT_H
#define BENCH_TOOLS_EXPLORE_HUNT_H

#include "platform/virtual/search.h"
#include "stress/stage/stress.h"

#define HUNT_SWITCHES 65536
#define HUNT_OUTPUT   8192

enum hunt_kind {
	HUNT_RANDOM,
	HUNT_PCT,
	HUNT_EXHAUSTIVE,
};

struct hunt_options {
	enum hunt_kind kind;
	unsigned int depth;	  /* HUNT_PCT */
	unsigned int preemptions; /* HUNT_EXHAUSTIVE */
	uint64_t schedules;	  /* maximum */
	uint64_t seed;		  /* of the first run; each later one adds 1, except in a search */
	uint64_t steps;		  /* after which the players end; 0: see hunt_steps() */
	struct stress_options stress;
};

/* The state of a hunt. The child process writes it in memory shared with explore. */
struct hunt {
	uint64_t made, steps; /* completed schedules, and their steps */
	uint64_t seed;	      /* of the current run */
	bool complete;	      /* the search has no schedule left to try */
	bool failed;
	char output[HUNT_OUTPUT]; /* standard error of the child, if a run failed */

	union {
		struct schedule schedule;
		struct schedule_random random;
		struct schedule_pct pct;
		struct schedule_search search;
	} now; /* the schedule of the current run, or of the one that failed */
	uint64_t priorities[STRESS_PLAYERS_MAX];
	struct schedule_switch switches[HUNT_SWITCHES]; /* the first ones of that schedule */
};

/* Steps after which the players end: options->steps, or the scenario's own number. */
uint64_t hunt_steps(const struct hunt_options *options, const struct scenario *scenario);

/*
 * Runs schedules until one fails or all have run. Returns NULL if there is no memory or
 * the child process cannot be created; otherwise hunt_end() frees the result.
 */
struct hunt *hunt_run(const struct scenario *scenario, const struct hunt_options *options);
void hunt_end(struct hunt *hunt);

#endif
