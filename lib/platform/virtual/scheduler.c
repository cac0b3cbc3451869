#include "platform/virtual/scheduler.h"

#include <errno.h>
#include <execinfo.h>
#include <string.h>

#include "platform/check.h"

_Thread_local struct engine_now engine_now = {.clock = 1, .deadline = UINT64_MAX};

/* The schedule's offer: who is runnable and has not just given way. */
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

static struct task *next_by_schedule(struct scheduler *scheduler)
{
	struct schedule *schedule = scheduler->schedule;
	const struct task *self = scheduler->running;
	size_t count = offer(scheduler, false), chosen;

	if (!count)
		count = offer(scheduler, true);
	if (!count)
		return NULL;
	chosen =
		schedule->choose(schedule, scheduler->ready, count,
				 self && self->state == TASK_READY ? self->index : SCHEDULE_NOBODY);
	CHECK(chosen < scheduler->count && scheduler->tasks[chosen].state != TASK_ENDED);
	schedule->steps++;
	return &scheduler->tasks[chosen];
}

/* Who acts next (V1), made the acting one; NULL if nobody can. */
static inline struct task *next_task(struct scheduler *scheduler)
{
	struct task *next;

	if (__builtin_expect(scheduler->schedule != NULL, 0)) {
		next = next_by_schedule(scheduler);
		if (next)
			scheduler->running = next;
		return next; /* one clock for all, and every event a turn */
	}

	struct turn first = turns_first(&scheduler->turns);

	if (first.clock == TURN_NEVER)
		return NULL;
	next = &scheduler->tasks[first.index];
	scheduler->running = next;
	engine_now.clock = first.clock;
	engine_now.deadline = turns_deadline(&scheduler->turns, first.index);
	return next;
}

/* The run is over, and the report asks those who wait where they do. */
static void answer(struct scheduler *scheduler, struct task *self)
{
	for (;;) {
		self->frame_count = backtrace(self->frames, TASK_FRAMES);
		fiber_switch(&self->fiber, &scheduler->home);
	}
}

/* Nobody can go on, or nobody gets on: control never comes back to the actors. */
static void stop(struct scheduler *scheduler, struct task *self, enum stuck stuck)
{
	scheduler->stuck = stuck;
	fiber_switch(&self->fiber, &scheduler->home);
	answer(scheduler, self);
}

/* The one place where one actor gives way to another. */
static void take_turns(struct scheduler *scheduler)
{
	struct task *self = scheduler->running, *next = next_task(scheduler);

	if (__builtin_expect(!next, 0))
		stop(scheduler, self, STUCK_DEADLOCK);
	if (next == self)
		return;
	fiber_switch(&self->fiber, &next->fiber);
	if (__builtin_expect(scheduler->asked, 0))
		answer(scheduler, self);
}

static bool too_long(const struct scheduler *scheduler)
{
	const struct schedule *schedule = scheduler->schedule;

	return schedule && schedule->steps_most && schedule->steps >= schedule->steps_most;
}

void engine_turn(const void *address, enum engine_kind kind)
{
	struct scheduler *scheduler = engine_now.scheduler;
	struct task *self = scheduler->running;

	(void)address;
	(void)kind;
	if (__builtin_expect(too_long(scheduler), 0))
		stop(scheduler, self, STUCK_LIVELOCK);
	self->clock = engine_now.clock;
	turns_set(&scheduler->turns, self->index, self->clock);
	take_turns(scheduler);
}

static void forget_parked(struct scheduler *scheduler, size_t at)
{
	scheduler->parked_count--;
	memmove(&scheduler->parked[at], &scheduler->parked[at + 1],
		(scheduler->parked_count - at) * sizeof(*scheduler->parked));
}

/* A brief wait whose time has come; nobody woke it. */
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
		report_alone("waits for a word that nobody is left to change");
	self = scheduler->running;
	self->state = TASK_PARKED;
	self->brief = ticks != TURN_NEVER;
	self->word = word;
	self->since = engine_now.clock;
	self->clock = engine_now.clock;
	scheduler->parked[scheduler->parked_count++] = (struct parked){word, self};
	turns_set(&scheduler->turns, self->index, self->brief ? self->clock + ticks : TURN_NEVER);
	take_turns(scheduler);
	if (self->state == TASK_READY)
		return true;
	unpark_self(scheduler, self);
	return false;
}

/* V2 */
static void make_ready(struct scheduler *scheduler, struct task *task)
{
	task->state = TASK_READY;
	task->brief = false;
	if (task->clock < engine_now.clock)
		task->clock = engine_now.clock;
	turns_set(&scheduler->turns, task->index, task->clock);
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
		engine_now.deadline = turns_deadline(&scheduler->turns, scheduler->running->index);
}

void scheduler_pass(uint64_t ticks)
{
	struct scheduler *scheduler = engine_now.scheduler;

	if (scheduler && scheduler->schedule)
		scheduler->running->yielded_at = scheduler->schedule->steps + 1;
	engine_spend(ticks, NULL, ENGINE_PAUSE);
}

void scheduler_give_up(enum stuck stuck)
{
	struct scheduler *scheduler = engine_now.scheduler;

	stop(scheduler, scheduler->running, stuck);
}

static void task_main(void *arg)
{
	struct task *self = arg, *next;
	struct scheduler *scheduler = engine_now.scheduler;

	self->began = true;
	self->actor->result = self->actor->body(self->actor);
	self->state = TASK_ENDED;
	if (scheduler->end < engine_now.clock)
		scheduler->end = engine_now.clock;
	turns_set(&scheduler->turns, self->index, TURN_NEVER);
	scheduler->live--;
	next = scheduler->live ? next_task(scheduler) : NULL;
	if (!next && scheduler->live)
		scheduler->stuck = STUCK_DEADLOCK;
	fiber_leave(&self->fiber, next ? &next->fiber : &scheduler->home);
}

/* Each tells where it stands, on its own stack; the unwinder has to be loaded by then. */
static void ask_all(struct scheduler *scheduler)
{
	void *frame;

	scheduler->asked = true;
	backtrace(&frame, 1);
	for (size_t i = 0; i < scheduler->count; i++) {
		struct task *task = &scheduler->tasks[i];

		if (task->state == TASK_ENDED)
			continue;
		if (task->began)
			fiber_switch(&scheduler->home, &task->fiber);
		task->actor->result = -EDEADLK;
	}
}

bool scheduler_run(struct scheduler *scheduler, uint64_t clock)
{
	size_t i;

	CHECK(!engine_now.scheduler);
	for (i = 0; i < scheduler->count; i++) {
		struct task *task = &scheduler->tasks[i];

		task->clock = clock;
		fiber_init(&task->fiber, task->fiber.stack, task->fiber.bytes, task_main, task);
		turns_set(&scheduler->turns, i, clock);
	}
	fiber_home(&scheduler->home);
	engine_now.scheduler = scheduler;
	engine_now.deadline = 0; /* with a schedule it stays so */
	scheduler->end = clock;
	if (next_task(scheduler))
		fiber_switch(&scheduler->home, &scheduler->running->fiber);
	if (scheduler->stuck) {
		scheduler->end = engine_now.clock;
		ask_all(scheduler);
		report_stuck(scheduler);
	}
	engine_now.clock = scheduler->end;
	engine_now.deadline = UINT64_MAX;
	engine_now.scheduler = NULL;
	return !scheduler->stuck;
}
