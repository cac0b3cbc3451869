/*
 * Actors are fibers. Their stacks lie in one mapping, each above a page that
 * nobody may touch, so that an actor that needs more than it has stops there.
 */
#include "platform/actor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/virtual/scheduler.h"
#include "platform/virtual/yield.h"

/* An instrumented frame is several times as large. */
#if defined(TDP_DEBUG)
#define STACK_BYTES ((size_t)256 << 10)
#else
#define STACK_BYTES ((size_t)64 << 10)
#endif
#define GUARD_BYTES ((size_t)sysconf(_SC_PAGESIZE))

/* More CPUs than any x86 machine has; nothing here depends on the host's. */
#define CPUS_MOST 8192

static int stacks_map(struct scheduler *scheduler)
{
	size_t each = STACK_BYTES + GUARD_BYTES;
	char *stacks;

	if (!scheduler->count)
		return 0;
	stacks = mmap(NULL, scheduler->count * each, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stacks == MAP_FAILED)
		return -ENOMEM;
	for (size_t i = 0; i < scheduler->count; i++) {
		struct task *task = &scheduler->tasks[i];

		task->stack = stacks + i * each + GUARD_BYTES;
		if (mprotect(task->stack, STACK_BYTES, PROT_READ | PROT_WRITE)) {
			munmap(stacks, scheduler->count * each);
			return -EAGAIN;
		}
	}
	return 0;
}

static void stacks_unmap(struct scheduler *scheduler)
{
	for (size_t i = 0; i < scheduler->count; i++)
		fiber_fini(&scheduler->seats[i].fiber);
	if (scheduler->count)
		munmap((char *)scheduler->tasks[0].stack - GUARD_BYTES,
		       scheduler->count * (STACK_BYTES + GUARD_BYTES));
}

static void scheduler_free(struct scheduler *scheduler)
{
	turns_fini(&scheduler->turns);
	free(scheduler->ready);
	free(scheduler->parked);
	free(scheduler->tasks);
	free(scheduler->seats);
	free(scheduler);
}

static struct scheduler *scheduler_make(struct actor *actors, size_t count)
{
	struct scheduler *scheduler = calloc(1, sizeof(*scheduler));

	if (!scheduler)
		return NULL;
	scheduler->count = count;
	scheduler->live = count;
	scheduler->schedule = schedule_used();
	scheduler->seats = calloc(count + 1, sizeof(*scheduler->seats));
	scheduler->tasks = calloc(count + 1, sizeof(*scheduler->tasks));
	scheduler->parked = calloc(count + 1, sizeof(*scheduler->parked));
	scheduler->ready = calloc(count + 1, sizeof(*scheduler->ready));
	if (turns_init(&scheduler->turns, count, engine_now.clock) || !scheduler->seats ||
	    !scheduler->tasks || !scheduler->parked || !scheduler->ready) {
		scheduler_free(scheduler);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		scheduler->tasks[i].actor = &actors[i];
		scheduler->tasks[i].seat = &scheduler->seats[i];
		scheduler->tasks[i].index = i;
	}
	return scheduler;
}

int actor_run_all(struct actor *actors, size_t count)
{
	struct scheduler *scheduler;
	int err;

	for (size_t i = 0; i < count; i++)
		if (actors[i].cpu >= CPUS_MOST)
			return -EINVAL;
	scheduler = scheduler_make(actors, count);
	if (!scheduler)
		return -ENOMEM;
	err = stacks_map(scheduler);
	if (err) {
		scheduler_free(scheduler);
		return err;
	}
	if (scheduler_run(scheduler, STACK_BYTES)) {
		stacks_unmap(scheduler);
		scheduler_free(scheduler);
	} else { /* V4 */
		scheduler->abandoned = engine_now.abandoned;
		engine_now.abandoned = scheduler;
	}
	return 0;
}

bool actor_should_yield(void)
{
	const struct scheduler *scheduler = engine_now.scheduler;

	return scheduler && scheduler->schedule && scheduler->schedule->should_yield &&
	       scheduler->schedule->should_yield(scheduler->schedule);
}

void actor_yield(void)
{
	scheduler_pass(1);
}

/* Each actor has a CPU of its own, unless a schedule decides who acts. */
unsigned int actor_cpus(void)
{
	const struct scheduler *scheduler = engine_now.scheduler;

	return scheduler && scheduler->schedule ? 1 : ACTOR_CPU_EACH;
}
