/*
 * Waiting in virtual time: a parked actor's clock stands still until it is woken,
 * and a pause gives the others so much time, more each round. An actor that
 * retries while nobody else gets on does so for ever: that ends the run.
 */
#include "platform/wait.h"

#include "platform/virtual/scheduler.h"
#include "platform/virtual/yield.h"

#define BRIEFLY_TICKS	1000000 /* a millisecond */
#define PAUSE_ROUNDS	8	/* of one length; then they double, up to 65 us */
#define PAUSE_DOUBLINGS 16

/*
 * Rounds in which nobody got on that make an endless retry: more than half a
 * second. Whoever looks at the clock in its loop may wait for it, so has longer.
 */
#define ROUNDS_MOST	     10000
#define CLOCK_ROUNDS_MOST    1000000
#define BRIEF_ROUNDS_MOST    1000
#define ROUNDS_BETWEEN_LOOKS 1000
/* Events since its last pause after which an actor has got on. */
#define TICKS_BETWEEN (1 << (PAUSE_DOUBLINGS + 3))

static bool still(const atomic_u32 *word, uint32_t value)
{
	return atomic_load_explicit(&((atomic_u32 *)word)->word, memory_order_acquire) == value;
}

static bool retries(const struct task *task, uint64_t clock)
{
	unsigned int most = task->reads_clock ? CLOCK_ROUNDS_MOST : task->rounds_most;

	return task->rounds && task->rounds >= most && clock - task->paused < TICKS_BETWEEN;
}

static bool gets_on(const struct scheduler *scheduler, const struct task *task)
{
	switch (task->state) {
	case TASK_READY:
		return !retries(task, task->index == scheduler->running ? engine_now.clock
									: task->seat->clock);
	case TASK_PARKED:
		return task->brief && !retries(task, task->seat->clock);
	case TASK_ENDED:
		break;
	}
	return false;
}

/* Does everybody wait for somebody else? */
static bool nobody_gets_on(const struct scheduler *scheduler)
{
	for (size_t i = 0; i < scheduler->count; i++)
		if (gets_on(scheduler, &scheduler->tasks[i]))
			return false;
	return true;
}

/* Notes a round of a loop; every so many, looks whether it can ever end. */
static void note_round(struct task *task, unsigned int round, unsigned int most)
{
	const struct scheduler *scheduler = engine_now.scheduler;

	if (round == 0) {
		task->since = engine_now.clock;
		task->reads_clock = false;
	}
	task->rounds = round;
	task->rounds_most = most;
	task->paused = engine_now.clock;
	if (round && round % ROUNDS_BETWEEN_LOOKS == 0 && !scheduler->schedule &&
	    nobody_gets_on(scheduler))
		scheduler_give_up(STUCK_LIVELOCK);
}

void wait_while(const atomic_u32 *word, uint32_t value)
{
	engine_spend(1, word, ENGINE_WAIT);
	if (still(word, value))
		scheduler_park(word, TURN_NEVER);
}

void wait_while_briefly(const atomic_u32 *word, uint32_t value)
{
	struct task *task;

	engine_spend(1, word, ENGINE_WAIT);
	if (!still(word, value))
		return;
	if (!engine_now.scheduler)
		scheduler_park(word, TURN_NEVER);
	task = scheduler_acting(engine_now.scheduler);
	if (task->word != word)
		task->rounds = 0;
	if (scheduler_park(word, BRIEFLY_TICKS))
		task->word = NULL;
	else
		note_round(task, task->rounds + 1, BRIEF_ROUNDS_MOST);
}

/*
 * Who goes on from time to time while nobody else ever does is taken for one who
 * retries, but only after very many rounds.
 */
static void note_limited_wait(const atomic_u32 *word)
{
	struct task *task = scheduler_acting(engine_now.scheduler);

	if (task->word != word)
		task->rounds = 0;
	note_round(task, task->rounds + 1, CLOCK_ROUNDS_MOST);
}

/* Time passes for one who is alone, too. */
bool wait_while_for(const atomic_u32 *word, uint32_t value, uint64_t nanoseconds)
{
	bool limited = nanoseconds < TURN_NEVER - engine_now.clock;
	uint64_t end = limited ? engine_now.clock + nanoseconds : TURN_NEVER;

	engine_spend(1, word, ENGINE_WAIT);
	while (still(word, value)) {
		if (engine_now.clock >= end)
			return false;
		if (!engine_now.scheduler && limited) {
			engine_now.clock = end;
			return false;
		}
		if (engine_now.scheduler)
			note_limited_wait(word);
		if (!scheduler_park(word, limited ? end - engine_now.clock : TURN_NEVER))
			return !still(word, value);
	}
	return true;
}

void wait_wake_one(const atomic_u32 *word)
{
	engine_spend(1, word, ENGINE_WAKE);
	scheduler_wake(word, 1);
}

void wait_wake_all(const atomic_u32 *word)
{
	engine_spend(1, word, ENGINE_WAKE);
	scheduler_wake(word, SIZE_MAX);
}

void wait_wake_all_from_outside(const atomic_u32 *word)
{
	(void)word; /* the engine is not told of what is done from outside */
}

void platform_sleep(struct waiting *waiting)
{
	platform_pause(waiting);
}

void platform_pause(struct waiting *waiting)
{
	unsigned int round = waiting->rounds++, doublings = round / PAUSE_ROUNDS;

	if (engine_now.scheduler)
		note_round(scheduler_acting(engine_now.scheduler), round, ROUNDS_MOST);
	else if (round == CLOCK_ROUNDS_MOST)
		report_alone("retries, and nobody else is there to get on");
	scheduler_pass((uint64_t)1 << (doublings < PAUSE_DOUBLINGS ? doublings : PAUSE_DOUBLINGS));
}
