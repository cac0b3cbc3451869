/*
 * The public face of the platform's actors, barriers, pauses and clocks.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <tdpsim/run.h>

#include "platform/actor.h"
#include "platform/atomic.h"
#include "platform/clock.h"
#include "platform/wait.h"

struct tdp_actor {
	const struct tdp_actor_config *config;
	size_t index;
};

/* Two arrays side by side, as actor_run_all() wants its actors contiguous. */
struct cast {
	struct actor *actors;
	struct tdp_actor *selves;
	size_t count;
};

struct tdp_flag {
	atomic_u32 raised; /* 0, then 1; stored by anybody with release */
};

static bool config_is_valid(const struct tdp_actor_config *config)
{
	return (config->size == 0 || config->size == sizeof(*config)) && config->body &&
	       (!config->pinned || config->cpu <= INT_MAX);
}

static int actor_body(struct actor *actor)
{
	struct tdp_actor *self = actor->arg;

	return self->config->body(self, self->config->arg);
}

static void cast_fini(struct cast *cast)
{
	free(cast->actors);
	free(cast->selves);
}

static int cast_init(struct cast *cast, const struct tdp_actor_config *configs, size_t count)
{
	size_t i;

	cast->count = count;
	cast->actors = calloc(count + 1, sizeof(*cast->actors));
	cast->selves = calloc(count + 1, sizeof(*cast->selves));
	if (!cast->actors || !cast->selves) {
		cast_fini(cast);
		return -ENOMEM;
	}
	for (i = 0; i < count; i++) {
		cast->selves[i].config = &configs[i];
		cast->selves[i].index = i;
		cast->actors[i].name = configs[i].name;
		cast->actors[i].body = actor_body;
		cast->actors[i].arg = &cast->selves[i];
		cast->actors[i].cpu = configs[i].pinned ? (int)configs[i].cpu : -1;
	}
	return 0;
}

static int cast_results(const struct cast *cast, int *results)
{
	int first = 0;
	size_t i;

	for (i = 0; i < cast->count; i++) {
		if (results)
			results[i] = cast->actors[i].result;
		if (first == 0 && cast->actors[i].result < 0)
			first = cast->actors[i].result;
	}
	return first;
}

int tdp_run(const struct tdp_actor_config *actors, size_t count, int *results)
{
	struct cast cast;
	size_t i;
	int err;

	for (i = 0; i < count; i++)
		if (!config_is_valid(&actors[i]))
			return -EINVAL;
	err = cast_init(&cast, actors, count);
	if (err)
		return err;
	err = actor_run_all(cast.actors, count);
	if (!err)
		err = cast_results(&cast, results);
	cast_fini(&cast);
	return err;
}

size_t tdp_actor_index(const struct tdp_actor *self)
{
	return self->index;
}

const char *tdp_actor_name(const struct tdp_actor *self)
{
	return self->config->name;
}

/* A public barrier is the platform's own under its public name. */
static struct barrier *inner(struct tdp_barrier *barrier)
{
	return (struct barrier *)barrier;
}

int tdp_barrier_create(size_t count, struct tdp_barrier **result)
{
	struct barrier *barrier;
	int err;

	if (count == 0)
		return -EINVAL;
	err = barrier_create(count, &barrier);
	if (!err)
		*result = (struct tdp_barrier *)barrier;
	return err;
}

void tdp_barrier_destroy(struct tdp_barrier *barrier)
{
	barrier_destroy(inner(barrier));
}

void tdp_barrier_wait(struct tdp_barrier *barrier)
{
	barrier_wait(inner(barrier));
}

void tdp_barrier_leave(struct tdp_barrier *barrier)
{
	barrier_leave(inner(barrier));
}

void tdp_pause(unsigned int *rounds)
{
	struct waiting waiting = {*rounds};

	platform_pause(&waiting);
	*rounds = waiting.rounds;
}

int tdp_flag_create(struct tdp_flag **result)
{
	struct tdp_flag *flag = malloc(sizeof(*flag));

	if (!flag)
		return -ENOMEM;
	u32_init(&flag->raised, 0);
	*result = flag;
	return 0;
}

void tdp_flag_destroy(struct tdp_flag *flag)
{
	free(flag);
}

void tdp_flag_raise(struct tdp_flag *flag)
{
	u32_store_release(&flag->raised, 1);
	wait_wake_all(&flag->raised);
}

void tdp_flag_raise_from_signal(struct tdp_flag *flag)
{
	u32_store_from_outside(&flag->raised, 1);
	wait_wake_all_from_outside(&flag->raised);
}

bool tdp_flag_raised(const struct tdp_flag *flag)
{
	return u32_load_acquire(&flag->raised) != 0;
}

bool tdp_flag_wait(const struct tdp_flag *flag, uint64_t nanoseconds)
{
	return wait_while_for(&flag->raised, 0, nanoseconds);
}

uint64_t tdp_clock_now(void)
{
	return clock_now();
}

uint64_t tdp_clock_cpu_now(void)
{
	return clock_cpu_now();
}
