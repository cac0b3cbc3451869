/*
 * The public face of the platform's actors, barriers, pauses and clocks.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <tdpsim/run.h>

#include "platform/actor.h"
#include "platform/atomic.h"
#include "platform/clock.h"
#include "platform/sized.h"
#include "platform/wait.h"

struct tdp_actor {
	struct tdp_actor_config config; /* as used; immutable while the actor runs */
	size_t index;
};

/* The actors of a run, as the platform and as the public header see them: element i of
 * both arrays is the same actor. */
struct cast {
	struct actor *actors;
	struct tdp_actor *selves;
	size_t count;
};

struct tdp_flag {
	atomic_u32 raised; /* 0, then 1; any thread stores it, with release, so that a reader
			    * (acquire) sees what was written before the raise */
};

/* Bytes from one element of the list to the next, by the caller's header. */
static size_t stride_of(const struct tdp_actor_config *actors)
{
	return actors->size ? actors->size : SIZED_FIRST(struct tdp_actor_config);
}

static int read_actor(struct tdp_actor_config *config, const struct tdp_actor_config *actors,
		      size_t index)
{
	const char *given = (const char *)actors + index * stride_of(actors);
	size_t size;
	int err;

	memcpy(&size, given, sizeof(size)); /* maybe not aligned */
	if (size != actors->size)
		return -EINVAL;
	err = sized_read(config, sizeof(*config), SIZED_FIRST(struct tdp_actor_config), given);
	if (err)
		return err;
	return config->body && (!config->pinned || config->cpu <= INT_MAX) ? 0 : -EINVAL;
}

static int read_run(const struct tdp_run_config *given)
{
	struct tdp_run_config config;
	int err = sized_read(&config, sizeof(config), SIZED_FIRST(struct tdp_run_config), given);

	if (err)
		return err;
	return config.machine || config.schedule ? -EOPNOTSUPP : 0;
}

static int actor_body(struct actor *actor)
{
	struct tdp_actor *self = actor->arg;

	return self->config.body(self, self->config.arg);
}

static void cast_fini(struct cast *cast)
{
	free(cast->actors);
	free(cast->selves);
}

static void cast_actor(struct cast *cast, size_t index)
{
	struct tdp_actor *self = &cast->selves[index];

	self->index = index;
	cast->actors[index].name = self->config.name;
	cast->actors[index].body = actor_body;
	cast->actors[index].arg = self;
	cast->actors[index].cpu = self->config.pinned ? (int)self->config.cpu : -1;
}

static int cast_init(struct cast *cast, const struct tdp_actor_config *actors, size_t count)
{
	int err = 0;

	cast->count = count;
	cast->actors = calloc(count + 1, sizeof(*cast->actors));
	cast->selves = calloc(count + 1, sizeof(*cast->selves));
	if (!cast->actors || !cast->selves)
		err = -ENOMEM;
	for (size_t i = 0; i < count && !err; i++) {
		err = read_actor(&cast->selves[i].config, actors, i);
		cast_actor(cast, i);
	}
	if (err)
		cast_fini(cast);
	return err;
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

int tdp_run(const struct tdp_run_config *config, const struct tdp_actor_config *actors,
	    size_t count, int *results)
{
	struct cast cast;
	int err;

	err = read_run(config);
	if (!err)
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
	return self->config.name;
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
