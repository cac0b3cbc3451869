/*
 * Actors are threads. All are made first and wait at a gate, so that either every
 * body runs or none does, and none gets a head start.
 */
#include "platform/actor.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "platform/wait.h"

enum gate {
	GATE_SHUT,
	GATE_OPEN,
	GATE_ABANDONED, /* not all could be made */
};

struct thread {
	pthread_t handle;
	struct actor *actor;
	/* An enum gate, one word for all; stored once, with release, by their maker. */
	const atomic_u32 *gate;
};

static void *thread_main(void *argument)
{
	struct thread *thread = argument;
	struct actor *actor = thread->actor;

	while (u32_load_acquire(thread->gate) == GATE_SHUT)
		wait_while(thread->gate, GATE_SHUT);
	if (u32_load_acquire(thread->gate) == GATE_OPEN)
		actor->result = actor->body(actor);
	return NULL;
}

static int pin(pthread_attr_t *attributes, int cpu)
{
	size_t bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
	cpu_set_t *set;
	int err;

	if (cpu >= sysconf(_SC_NPROCESSORS_CONF))
		return EINVAL;
	set = CPU_ALLOC((size_t)cpu + 1);
	if (!set)
		return ENOMEM;
	CPU_ZERO_S(bytes, set);
	CPU_SET_S((size_t)cpu, bytes, set);
	err = pthread_attr_setaffinity_np(attributes, bytes, set);
	CPU_FREE(set);
	return err;
}

static int thread_start(struct thread *thread)
{
	pthread_attr_t attributes;
	int err = pthread_attr_init(&attributes);

	if (err)
		return -err;
	if (thread->actor->cpu >= 0)
		err = pin(&attributes, thread->actor->cpu);
	/* A CPU outside our cpuset is refused here, as EINVAL. */
	if (!err)
		err = pthread_create(&thread->handle, &attributes, thread_main, thread);
	pthread_attr_destroy(&attributes);
	return -err;
}

int actor_run_all(struct actor *actors, size_t count)
{
	struct thread *threads = calloc(count ? count : 1, sizeof(*threads));
	size_t started;
	atomic_u32 gate;
	int err = 0;

	if (!threads)
		return -ENOMEM;
	u32_init(&gate, GATE_SHUT);
	for (started = 0; started < count && !err; started += !err) {
		threads[started].actor = &actors[started];
		threads[started].gate = &gate;
		err = thread_start(&threads[started]);
	}
	u32_store_release(&gate, err ? GATE_ABANDONED : GATE_OPEN);
	wait_wake_all(&gate);
	while (started--)
		pthread_join(threads[started].handle, NULL);
	free(threads);
	return err;
}

/* Threads are preempted by the kernel; nobody is held up by one that runs on. */
bool actor_should_yield(void)
{
	return false;
}

void actor_yield(void)
{
	sched_yield();
}

/*
 * The CPUs that the calling thread may use. A set that is too small for the machine is refused;
 * such a machine has a CPU for every actor.
 */
unsigned int actor_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return ACTOR_CPU_EACH;
	return (unsigned int)CPU_COUNT(&set);
}
