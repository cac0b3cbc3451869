/*
 * Who runs. An actor is a thread in the native engine and a fiber in the
 * virtual one; include/tdpsim/run.h is its public face (lib/vm/run.c).
 */
#ifndef TDPSIM_PLATFORM_ACTOR_H
#define TDPSIM_PLATFORM_ACTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct actor {
	const char *name;		  /* borrowed; for reports */
	int (*body)(struct actor *actor); /* 0 or a negative errno */
	void *arg;
	int cpu;    /* host CPU to run on, or -1 */
	int result; /* what body returned, once actor_run_all() is back; or -EDEADLK (virtual) */
};

/*
 * Starts all, waits for all. No body begins before every actor is there. 0, or
 * with no body run: -EAGAIN if an actor could not be made, -EINVAL if a CPU to pin
 * to does not exist or is not ours, -ENOMEM.
 */
int actor_run_all(struct actor *actors, size_t count);

/*
 * A place where `count` actors, at least one, wait for each other, again and
 * again. The first to come out of the last wait may destroy it. -ENOMEM.
 */
struct barrier;
int barrier_create(size_t count, struct barrier **barrier);
void barrier_destroy(struct barrier *barrier); /* NULL is allowed; nobody waits there */
void barrier_wait(struct barrier *barrier);
/* One party leaves for good: the others no longer wait for it. */
void barrier_leave(struct barrier *barrier);

/* Should the acting actor let others run now? Always false where nobody is held up. */
bool actor_should_yield(void);
void actor_yield(void);

/* How many actors can run at once: a number of CPUs, or all actors. */
#define ACTOR_CPU_EACH UINT_MAX
unsigned int actor_cpus(void);

#endif
