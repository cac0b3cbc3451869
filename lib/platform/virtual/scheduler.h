/*
 * The scheduler: it knows which actor acts, which is due next, and what each waits for.
 *
 * One run at a time on a thread of the host. Nothing here is shared: fibers of one
 * thread take turns, and only at the places where this file switches.
 *
 *   V1  The runnable actor with the smallest clock acts, of equals the one with
 *       the smallest index; or, if there is a schedule, the one that it chooses.
 *   V2  A woken actor continues at the waker's clock or its own, whichever is later.
 *   V3  Actors that wait on one word are woken in the order in which they parked.
 *       Addresses are compared only for equality: neither order nor time depends on
 *       where objects lie in the host's memory.
 *   V4  A run ends when no actor can continue, or all only retry. The report names what
 *       each waits for, and actors that have not ended get the result -EDEADLK. Their
 *       stacks are never freed, nor is memory that only those stacks point to.
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

/* The part of an actor that every switch touches; the parts of all actors lie side by side. */
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

	const void *word; /* the word it is parked on; kept after a brief wait */
	bool brief;	  /* parked, but only until `due` */
	uint64_t due;
	uint64_t since; /* its clock when it parked, or began to pause */

	/* The loop that it pauses in; or did, if `paused` was long ago. */
	unsigned int rounds, rounds_most;
	uint64_t paused;
	bool reads_clock; /* the loop reads the clock, so it may wait for time to pass */

	/* With a schedule: the step in which it last paused, plus one; its code address. */
	uint64_t yielded_at;
	const void *place;

	void *frames[TASK_FRAMES]; /* its stack while it waits, for the report */
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
	size_t running; /* index of the acting actor */
	struct turns turns;
	struct parked *parked; /* in the order in which they parked (V3) */
	size_t parked_count;
	struct schedule *schedule; /* NULL: the clocks decide, and `turns` is in use */
	size_t *ready;		   /* room for the schedule's choice */
	uint64_t begin;		   /* clock at the beginning; with a schedule a step is a tick */
	uint64_t end;		   /* the latest clock of the actors that have ended */
	enum stuck stuck;
	bool collecting; /* an actor that is switched to stores its stack for the report */
	struct fiber home;
	struct scheduler *abandoned; /* the previous run that ended like this (V4) */
};

static inline struct task *scheduler_acting(const struct scheduler *scheduler)
{
	return &scheduler->tasks[scheduler->running];
}

/* Runs all tasks, which the caller filled in, from `turns.now` on. False if it got stuck (V4). */
bool scheduler_run(struct scheduler *scheduler, size_t stack_bytes);

/* For wait.c. Parks until woken; a brief wait also ends after so many ticks. True if woken. */
bool scheduler_park(const void *word, uint64_t ticks);
void scheduler_wake(const void *word, size_t most);

/* Ends the run (V4): the acting actor cannot continue, and no other will change that. */
void scheduler_give_up(enum stuck stuck);

/* report.c: print to standard error. */
void report_stuck(const struct scheduler *scheduler);
_Noreturn void report_alone(const char *what);

#endif
