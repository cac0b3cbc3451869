/*
 * Schedules: who acts next when not the clocks decide but somebody who looks for
 * the interleaving that breaks a rule.
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

struct schedule {
	/*
	 * One of ready[0..count), count > 0, takes the next step. `acting` made the
	 * last one; SCHEDULE_NOBODY if it parked or ended.
	 */
	size_t (*choose)(struct schedule *schedule, const size_t *ready, size_t count,
			 size_t acting);
	/* May long work give way here? NULL: never. */
	bool (*should_yield)(struct schedule *schedule);

	uint64_t steps;	     /* made so far in this run; the scheduler counts */
	uint64_t steps_most; /* a run with more is a livelock; 0: any number */
};

/* For the runs that follow on the calling thread; NULL: the clocks decide again. Borrowed. */
void schedule_use(struct schedule *schedule);
/* The one in use, or NULL. */
struct schedule *schedule_used(void);

#endif
