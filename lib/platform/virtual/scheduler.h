/*
 * The scheduler: who acts, who is due next, who waits for what.
 *
 * One run at a time on a thread of the host. Nothing here is shared: fibers of one
 * thread take turns, and only at the places where this file switches.
 *
 *   V1  The runnable actor with the smallest clock acts, of equals the one with
 *       the smallest index; or, if there is a schedule, the one that it chooses.
 *   V2  Who is woken continues at the waker's time or its own, whichever is later.
 *   V3  Those who wait on one word are woken in the order in which they parked.
 *       Addresses are compared for equality alone: neither order nor time depends
 *       on where the host puts things.
 *   V4  A run in which nobody can go on, or in which all only retry, ends: the
 *       report says who waits for what, and the result of each who has not ended
 *       is -EDEADLK. Their stacks are never freed, nor is what only they know.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_SCHEDULER_H
#define TDPSIM_PLATFORM_VIRTUAL_SCHEDULER_H

#include <stdbool.h>

#include "platform/actor.h"
#include "platform/virtual/engine.h"
#include "platform/virtual/fiber.h"
#include "platform/virtual/schedule.h"
#include "platform/virtual/turns.h"

#define TASK_FRAMES 24

enum task_state {
	TASK_READY,
	TASK_PARKED,
	TASK_ENDED,
};

/* What every switch touches of an actor, apart from the rest to lie close together. */
struct seat {
	struct fiber fiber;
	uint64_t clock; /* while another acts */
};

/* An actor in a run. */
struct task {
	struct actor *actor;
	struct seat *seat;
	void *stack; /* lowest byte */
	size_t index;
	enum task_state state;
	bool began;

	const void *word; /* parked on it; of a brief wait, the last one */
	bool brief;	  /* parked, but only until `due` */
	uint64_t due;
	uint64_t since; /* its clock when it parked, or began to pause */

	/* The loop that it pauses in, or pauses no longer if `paused` was long ago. */
	unsigned int rounds, rounds_most;
	uint64_t paused;
	bool reads_clock; /* in that loop: perhaps it waits for time to pass */

	/* With a schedule: the step in which it last gave way, plus one; where it is. */
	uint64_t yielded_at;
	const void *place;

	void *frames[TASK_FRAMES]; /* where it waits, for the report */
	int frame_count;
};

struct parked {
	const void *word;
	struct task *task;
};

enum stuck {
	STUCK_NOT,
	STUCK_DEADLOCK,
	STUCK_LIVELOCK,
};

struct scheduler {
	struct seat *seats;
	struct task *tasks;
	size_t count, live;
	size_t running; /* index of the acting one */
	struct turns turns;
	struct parked *parked; /* in the order in which they parked (V3) */
	size_t parked_count;
	struct schedule *schedule; /* NULL: the clocks decide, and `turns` is in use */
	size_t *ready;		   /* room for the schedule's choice */
	uint64_t begin;		   /* the clock then; with a schedule a step is a tick */
	uint64_t end;		   /* the latest clock of those who have ended */
	enum stuck stuck;
	bool asked; /* whoever is switched to tells where it waits */
	struct fiber home;
	struct scheduler *abandoned; /* the one before this that ended so (V4) */
};

static inline struct task *scheduler_acting(const struct scheduler *scheduler)
{
	return &scheduler->tasks[scheduler->running];
}

/* Runs all tasks, which are filled in, from `turns.now` on. False if it got stuck (V4). */
bool scheduler_run(struct scheduler *scheduler, size_t stack_bytes);

/* For wait.c. Until woken; a brief wait also ends after so many ticks. True if woken. */
bool scheduler_park(const void *word, uint64_t ticks);
void scheduler_wake(const void *word, size_t most);

/* The acting one cannot go on, and nobody else makes it so: ends the run (V4). */
void scheduler_give_up(enum stuck stuck);

/* report.c: on standard error. */
void report_stuck(const struct scheduler *scheduler);
_Noreturn void report_alone(const char *what);

#endif
