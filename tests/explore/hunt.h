/*
 * The hunt for a schedule that breaks a scenario: one run after the other, each
 * under another schedule, in a process of its own, so that a run may end in any way.
 */
#ifndef TDPSIM_TESTS_EXPLORE_HUNT_H
#define TDPSIM_TESTS_EXPLORE_HUNT_H

#include "platform/virtual/search.h"
#include "support/stress.h"

#define HUNT_SWITCHES 65536
#define HUNT_WORDS    8192

enum hunt_kind {
	HUNT_RANDOM,
	HUNT_PCT,
	HUNT_EXHAUSTIVE,
};

struct hunt_options {
	enum hunt_kind kind;
	unsigned int depth;	  /* of PCT */
	unsigned int preemptions; /* of the exhaustive search */
	uint64_t schedules;	  /* at most so many */
	uint64_t seed;		  /* of the first; the next one's is one more. The search has one */
	uint64_t steps;		  /* after which the players come to an end; 0: hunt_steps() */
	struct stress_options stress;
};

/* Shared with the process that runs the schedules. */
struct hunt {
	uint64_t made, steps; /* schedules that have ended, their steps */
	uint64_t seed;	      /* of the one that is running */
	bool complete;	      /* the search has nothing left to try */
	bool failed;
	char words[HUNT_WORDS]; /* what the one that failed wrote to standard error */

	union {
		struct schedule schedule;
		struct schedule_random random;
		struct schedule_pct pct;
		struct schedule_search search;
	} now; /* of the one that is running, or failed */
	uint64_t priorities[STRESS_PLAYERS_MAX];
	struct schedule_switch switches[HUNT_SWITCHES]; /* likewise, the first ones */
};

/* After how many steps the players come to an end: as asked for, or as the scenario needs. */
uint64_t hunt_steps(const struct hunt_options *options, const struct scenario *scenario);

/* Hunts until a schedule fails or all are made. NULL if there is no memory, or process. */
struct hunt *hunt_run(const struct scenario *scenario, const struct hunt_options *options);
void hunt_end(struct hunt *hunt);

#endif
