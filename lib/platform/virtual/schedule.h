/*
 * Schedules: they choose the next actor in place of the clocks, to find an interleaving that
 * breaks a rule. The explored executions are sequentially consistent.
 *
 * The scheduler calls the schedule before every engine event, with the indices of the
 * actors that may act, in rising order, so that a seed gives the same choices in every
 * process. An actor that pauses waits for another to make progress: it is offered again
 * after another actor has made a step, or if no other is left.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_SCHEDULE_H
#define TDPSIM_PLATFORM_VIRTUAL_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_NOBODY SIZE_MAX

/* A step by another actor than the step before it. */
struct schedule_switch {
	uint64_t step;
	size_t actor;
	const void *place; /* the code address at which it continues; NULL: it begins */
};

struct schedule {
	/*
	 * Returns the one of ready[0..count), count > 0, that makes the next step. `acting`
	 * made the last step and is one of them, or is SCHEDULE_NOBODY.
	 */
	size_t (*choose)(struct schedule *schedule, const size_t *ready, size_t count,
			 size_t acting);
	/* Called when an actor pauses. May be NULL. */
	void (*gave_way)(struct schedule *schedule, size_t actor);
	/* May long work yield here? NULL: never. */
	bool (*should_yield)(struct schedule *schedule);

	/* The acting actor's next event: an enum engine_kind, its address or NULL, its ticks. */
	unsigned int kind;
	const void *address;
	uint64_t ticks;

	uint64_t steps;	     /* made so far in this run; the scheduler counts them */
	uint64_t steps_most; /* a run with more is a livelock; 0: any number */

	/* The run's first `switches_room` switches. `switches_made` counts all of them. */
	struct schedule_switch *switches;
	uint64_t switches_room, switches_made;
	size_t last; /* the actor that made the last step */
};

/* Sets the schedule of later runs on the calling thread; NULL: the clocks decide. Borrowed. */
void schedule_use(struct schedule *schedule);
/* The schedule in use, or NULL. */
struct schedule *schedule_used(void);

/*
 * Random: the acting actor continues, or a random one does. The seed decides how often it
 * continues, from never to nearly always, because some errors need many switches, others a
 * few in the right places.
 */
struct schedule_random {
	struct schedule schedule; /* hooks filled in by the init; the rest is the caller's */
	uint64_t state;
	unsigned int stay; /* of 64 times */
};

void schedule_random_init(struct schedule_random *random, uint64_t seed);

/*
 * PCT, a randomized scheduler with a bound (Burckhardt and others, ASPLOS 2010): each actor
 * has a random priority, and the actor with the highest one acts. At depth - 1 random steps
 * of about `steps` the acting actor falls below all others. With n actors a run shows an
 * error that needs `depth` ordered steps with a probability of at least
 * 1 / (n * steps^(depth - 1)). An actor that pauses falls below all others, too: otherwise
 * two actors that wait for a third could run in turn for ever.
 */
#define PCT_DEPTH_MOST 16

struct schedule_pct {
	struct schedule schedule; /* as above */
	uint64_t seed;
	unsigned int depth;
	uint64_t changes[PCT_DEPTH_MOST]; /* steps at which a priority falls, depth - 1 of them */
	uint64_t fallen;		  /* the priority of the next actor that falls */
	uint64_t *priorities;		  /* by actor; 0: not drawn yet; borrowed */
	size_t room;
};

/* `priorities` has room for all actors. depth is 1 to PCT_DEPTH_MOST. */
void schedule_pct_init(struct schedule_pct *pct, uint64_t seed, unsigned int depth, uint64_t steps,
		       uint64_t *priorities, size_t room);

#endif
