/*
 * Schedules: who acts next when not the clocks decide but somebody who looks for
 * the interleaving that breaks a rule. What is explored is sequentially consistent.
 *
 * A schedule is asked before every engine event. What it may choose from is given
 * by the actors' indices in rising order, so that a seed means the same choices
 * in every process. An actor that pauses has said that another must get on first:
 * it is offered again once another has made a step, or if nobody else is left.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_SCHEDULE_H
#define TDPSIM_PLATFORM_VIRTUAL_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_NOBODY SIZE_MAX

/* A step that was made by another actor than the one before. */
struct schedule_switch {
	uint64_t step;
	size_t actor;
	const void *place; /* in the code: where it continues; NULL: it begins */
};

struct schedule {
	/*
	 * One of ready[0..count), count > 0, takes the next step. `acting` made the
	 * last one and is among them; or is SCHEDULE_NOBODY.
	 */
	size_t (*choose)(struct schedule *schedule, const size_t *ready, size_t count,
			 size_t acting);
	/* This one pauses. NULL: nothing to note. */
	void (*gave_way)(struct schedule *schedule, size_t actor);
	/* May long work give way here? NULL: never. */
	bool (*should_yield)(struct schedule *schedule);

	/* What the acting one is about to do: an enum engine_kind, its address or NULL, its ticks.
	 */
	unsigned int kind;
	const void *address;
	uint64_t ticks;

	uint64_t steps;	     /* made so far in this run; the scheduler counts */
	uint64_t steps_most; /* a run with more is a livelock; 0: any number */

	/* If there is room: the run's switches. `switches_made` counts them all. */
	struct schedule_switch *switches;
	uint64_t switches_room, switches_made;
	size_t last; /* who made the last step */
};

/* For the runs that follow on the calling thread; NULL: the clocks decide again. Borrowed. */
void schedule_use(struct schedule *schedule);
/* The one in use, or NULL. */
struct schedule *schedule_used(void);

/*
 * Random: the acting one goes on, or anybody does. How often it goes on depends on
 * the seed, from never to nearly always: some errors need many switches, some few
 * in the right places.
 */
struct schedule_random {
	struct schedule schedule; /* hooks filled in by the init; the rest is the caller's */
	uint64_t state;
	unsigned int stay; /* of 64 times */
};

void schedule_random_init(struct schedule_random *random, uint64_t seed);

/*
 * PCT, a randomized scheduler with a bound (Burckhardt and others, ASPLOS 2010):
 * each actor has a random priority and the highest acts, except that at depth - 1
 * random steps of about `steps` the acting one falls below all others. With n
 * actors an error that needs `depth` ordered steps is met with a probability of at
 * least 1 / (n * steps^(depth - 1)). Who pauses falls below all others, too, or
 * two who wait for a third might wait for each other.
 */
#define PCT_DEPTH_MOST 16

struct schedule_pct {
	struct schedule schedule; /* as above */
	uint64_t seed;
	unsigned int depth;
	uint64_t changes[PCT_DEPTH_MOST]; /* steps at which a priority falls, depth - 1 of them */
	uint64_t fallen;		  /* the next priority of one who falls */
	uint64_t *priorities;		  /* by actor, 0 where not drawn yet; borrowed */
	size_t room;
};

/* `priorities` has room for all actors. depth is 1 to PCT_DEPTH_MOST. */
void schedule_pct_init(struct schedule_pct *pct, uint64_t seed, unsigned int depth, uint64_t steps,
		       uint64_t *priorities, size_t room);

#endif
