#include "platform/virtual/scheduler.h"

#include <errno.h>
#include <execinfo.h>
#include <string.h>

#include "platform/check.h"

#define NOBODY SIZE_MAX

_Thread_local struct engine_now engine_now
	__attribute__((tls_model("initial-exec"))) = {.clock = 1, .deadline = UINT64_MAX};

/* Collects the actors that the schedule may choose: runnable, and did not just pause. */
static size_t offer(struct scheduler *scheduler, bool all)
{
	uint64_t step = scheduler->schedule->steps;
	size_t count = 0;

	for (size_t i = 0; i < scheduler->count; i++) {
		const struct task *task = &scheduler->tasks[i];
		bool runnable =
			task->state == TASK_READY || (task->state == TASK_PARKED && task->brief);
		bool gave_way = task->brief || task->yielded_at == step + 1;

		if (runnable && (all || !gave_way))
			scheduler->ready[count++] = i;
	}
	return count;
}

static bool is_offered(const struct scheduler *scheduler, size_t count, size_t index)
{
	for (size_t i = 0; i < count; i++)
		if (scheduler->ready[i] == index)
			return true;
	return false;
}

static void note_step(struct schedule *schedule, size_t actor, const void *place)
{
	if (schedule->last != actor || !schedule->steps) {
		if (schedule->switches_made < schedule->switches_room)
			schedule->switches[schedule->switches_made] =
				(struct schedule_switch){schedule->steps, actor, place};
		schedule->switches_made++;
	}
	schedule->last = actor;
	schedule->steps++;
}

static size_t next_by_schedule(struct scheduler *scheduler)
{
	struct schedule *schedule = scheduler->schedule;
	const struct task *self = scheduler_acting(scheduler);
	size_t count = offer(scheduler, false), chosen;
	bool goes_on;

	if (!count)
		count = offer(scheduler, true);
	if (!count)
		return NOBODY;
	goes_on = schedule->steps && is_offered(scheduler, count, self->index);
	chosen = schedule->choose(schedule, scheduler->ready, count,
				  goes_on ? self->index : SCHEDULE_NOBODY);
	CHECK(chosen < scheduler->count && scheduler->tasks[chosen].state != TASK_ENDED);
	note_step(schedule, chosen, scheduler->tasks[chosen].place);
	engine_now.clock = scheduler->begin + schedule->steps;
	return chosen;
}

__attribute__((always_inline)) static inline size_t next_by_clock(struct scheduler *scheduler)
{
	struct turn first = turns_take(&scheduler->turns, &engine_now.deadline);

	if (__builtin_expect(first.clock == TURN_NEVER, 0))
		return NOBODY;
	engine_now.clock = first.clock;
	fiber_prefetch(&scheduler->seats[turns_guess(&scheduler->turns, first.index)].fiber);
	return first.index;
}

/*
 * Chooses the next actor (V1) and makes it the acting one; NOBODY if no actor can act. With
 * a schedule all actors share one clock, and the deadline has always passed.
 */
__attribute__((always_inline)) static inline size_t next_task(struct scheduler *scheduler)
{
	size_t next = __builtin_expect(scheduler->schedule != NULL, 0) ? next_by_schedule(scheduler)
								       : next_by_clock(scheduler);

	if (__builtin_expect(next != NOBODY, 1))
		scheduler->running = next;
	return next;
}

/* Actor `index` may act from `clock` on. */
static inline void put_task(struct scheduler *scheduler, size_t index, uint64_t clock)
{
	if (__builtin_expect(!scheduler->schedule, 1))
		turns_put(&scheduler->turns, index, clock);
}

/* After the run has ended: stores the stack of a waiting actor, for the report. */
static void give_stack(struct scheduler *scheduler, struct task *self)
{
	for (;;) {
		self->frame_count = backtrace(self->frames, TASK_FRAMES);
		fiber_switch(&self->seat->fiber, &scheduler->home);
	}
}

/* No actor can act, or none makes progress: ends the run, and never returns to the actors. */
static void stop(struct scheduler *scheduler, struct task *self, enum stuck stuck)
{
	scheduler->stuck = stuck;
	fiber_switch(&self->seat->fiber, &scheduler->home);
	give_stack(scheduler, self);
}

/* The only function that switches from one actor to another. */
__attribute__((always_inline)) static inline void take_turns(struct scheduler *scheduler)
{
	size_t self = scheduler->running, next = next_task(scheduler);

	if (__builtin_expect(next == NOBODY, 0))
		stop(scheduler, &scheduler->tasks[self], STUCK_DEADLOCK);
	if (next == self)
		return;
	fiber_switch(&scheduler->seats[self].fiber, &scheduler->seats[next].fiber);
	if (__builtin_expect(scheduler->collecting, 0))
		give_stack(scheduler, &scheduler->tasks[self]);
}

/* Notes the acting actor's place before a step; ends the run after too many steps. */
static void note_place(struct scheduler *scheduler, size_t self, const void *place)
{
	const struct schedule *schedule = scheduler->schedule;

	scheduler->tasks[self].place = place;
	if (schedule->steps_most && schedule->steps >= schedule->steps_most)
		stop(scheduler, &scheduler->tasks[self], STUCK_LIVELOCK);
}

__attribute__((noinline)) void engine_turn(const void *address, enum engine_kind kind)
{
	struct scheduler *scheduler = engine_now.scheduler;
	size_t self = scheduler->running;

	if (__builtin_expect(scheduler->schedule != NULL, 0)) {
		scheduler->schedule->kind = kind;
		scheduler->schedule->address = address;
		scheduler->schedule->ticks =
			engine_now.clock - (scheduler->begin + scheduler->schedule->steps);
		note_place(scheduler, self, __builtin_return_address(0));
	}
	scheduler->seats[self].clock = engine_now.clock;
	put_task(scheduler, self, engine_now.clock);
	take_turns(scheduler);
}

static void forget_parked(struct scheduler *scheduler, size_t at)
{
	scheduler->parked_count--;
	memmove(&scheduler->parked[at], &scheduler->parked[at + 1],
		(scheduler->parked_count - at) * sizeof(*scheduler->parked));
}

/* Ends a brief wait whose time is over without a wake. */
static void unpark_self(struct scheduler *scheduler, struct task *self)
{
	for (size_t i = 0; i < scheduler->parked_count; i++) {
		if (scheduler->parked[i].task == self) {
			forget_parked(scheduler, i);
			break;
		}
	}
	self->state = TASK_READY;
	self->brief = false;
}

bool scheduler_park(const void *word, uint64_t ticks)
{
	struct scheduler *scheduler = engine_now.scheduler;
	struct task *self;

	if (!scheduler)
		report_alone("waits for a word that no other actor can change");
	self = scheduler_acting(scheduler);
	self->state = TASK_PARKED;
	self->brief = ticks != TURN_NEVER;
	self->word = word;
	self->since = engine_now.clock;
	self->seat->clock = engine_now.clock;
	self->place = __builtin_return_address(0);
	scheduler->parked[scheduler->parked_count++] = (struct parked){word, self};
	if (self->brief) {
		self->due = self->since + ticks;
		put_task(scheduler, self->index, self->due);
	}
	take_turns(scheduler);
	if (self->state == TASK_READY)
		return true;
	unpark_self(scheduler, self);
	return false;
}

/* V2 */
static void make_ready(struct scheduler *scheduler, struct task *task)
{
	if (task->brief && !scheduler->schedule)
		turns_remove(&scheduler->turns, task->index, task->due);
	task->state = TASK_READY;
	task->brief = false;
	if (task->seat->clock < engine_now.clock)
		task->seat->clock = engine_now.clock;
	put_task(scheduler, task->index, task->seat->clock);
}

void scheduler_wake(const void *word, size_t most)
{
	struct scheduler *scheduler = engine_now.scheduler;
	size_t woken = 0;

	for (size_t i = 0; scheduler && i < scheduler->parked_count && woken < most;) {
		if (scheduler->parked[i].word == word) {
			make_ready(scheduler, scheduler->parked[i].task);
			forget_parked(scheduler, i);
			woken++;
		} else {
			i++;
		}
	}
	if (woken && !scheduler->schedule)
		engine_now.deadline = turns_deadline(&scheduler->turns, scheduler->running);
}

void scheduler_give_up(enum stuck stuck)
{
	struct scheduler *scheduler = engine_now.scheduler;

	stop(scheduler, scheduler_acting(scheduler), stuck);
}

static void task_main(void *arg)
{
	struct scheduler *scheduler = engine_now.scheduler;
	struct task *self = arg;
	size_t next;

	fiber_begin();
	self->began = true;
	self->actor->result = self->actor->body(self->actor);
	self->state = TASK_ENDED;
	if (scheduler->end < engine_now.clock)
		scheduler->end = engine_now.clock;
	scheduler->live--;
	next = scheduler->live ? next_task(scheduler) : NOBODY;
	if (next == NOBODY && scheduler->live)
		scheduler->stuck = STUCK_DEADLOCK;
	fiber_leave(&self->seat->fiber,
		    next == NOBODY ? &scheduler->home : &scheduler->seats[next].fiber);
}

/* Each actor unwinds its own stack, so the unwinder is loaded first, on this one. */
static void collect_stacks(struct scheduler *scheduler)
{
	void *frame;

	scheduler->collecting = true;
	backtrace(&frame, 1);
	for (size_t i = 0; i < scheduler->count; i++) {
		struct task *task = &scheduler->tasks[i];

		if (task->state == TASK_ENDED)
			continue;
		if (task->began)
			fiber_switch(&scheduler->home, &task->seat->fiber);
		task->actor->result = -EDEADLK;
	}
}

/*
 * Stacks lie whole pages apart, and actors run the same code at the same time. If all began
 * at the top of their stacks, they would compete for a few sets of the host's caches.
 */
static size_t stack_colour(size_t index)
{
	return index * 5 % 64 * 64;
}

bool scheduler_run(struct scheduler *scheduler, size_t stack_bytes)
{
	uint64_t clock = scheduler->begin = engine_now.clock;

	CHECK(!engine_now.scheduler);
	for (size_t i = 0; i < scheduler->count; i++) {
		struct task *task = &scheduler->tasks[i];

		task->seat->clock = clock;
		fiber_init(&task->seat->fiber, task->stack, stack_bytes - stack_colour(i),
			   task_main, task);
		put_task(scheduler, i, clock);
	}
	fiber_home(&scheduler->home);
	engine_now.scheduler = scheduler;
	engine_now.deadline = 0; /* with a schedule it stays 0 */
	scheduler->end = clock;
	if (next_task(scheduler) != NOBODY)
		fiber_switch(&scheduler->home, &scheduler->seats[scheduler->running].fiber);
	if (scheduler->stuck) {
		scheduler->end = engine_now.clock;
		collect_stacks(scheduler);
		report_stuck(scheduler);
	}
	engine_now.clock = scheduler->end;
	engine_now.deadline = UINT64_MAX;
	engine_now.scheduler = NULL;
	return !scheduler->stuck;
}
