#ifndef TDPSIM_RUN_H
#define TDPSIM_RUN_H

#include <tdpsim/types.h>

/**
 * Who runs. An actor is a vCPU's thread of control or a task of the host: a
 * dirty logger, a source of invalidations, a recovery worker. In libtdpsim each
 * actor is a thread of the host; in its virtual twin all take turns on one
 * thread, in simulated time. A program whose concurrent parts use this header
 * alone (no threads, locks, clocks or sleeps of its own) runs on either.
 *
 * An actor's body reports back by its result. What actors write, the caller of
 * tdp_run() may read once it has returned.
 */
struct tdp_actor;

/** What an actor does; it returns a verdict of the caller's own, or a negative errno. */
typedef int tdp_actor_body(struct tdp_actor *self, void *arg);

/** All zero but `body` is an actor that runs anywhere. */
struct tdp_actor_config {
	size_t size;	      /* see tdpsim/types.h; the same in all elements of a list */
	const char *name;     /* for reports; borrowed until tdp_run() returns; may be NULL */
	tdp_actor_body *body; /* required */
	void *arg;	      /* handed to body */
	bool pinned;	      /* keep to `cpu` */
	/**
	 * Number of a CPU: in simulated time one of the simulated machine, otherwise one of
	 * the host, and of those that this process may use. A run without a machine in
	 * simulated time has 8192 CPUs that are all alike.
	 */
	unsigned int cpu;
};

/** A machine that the virtual engine simulates. This release describes none. */
struct tdp_machine;

/** How actors run. All zero, or NULL for all of it, is a run as the engine has it. */
struct tdp_run_config {
	size_t size;			   /* see tdpsim/types.h */
	const struct tdp_machine *machine; /* NULL: CPUs that are all alike */
	/** Name of a schedule that chooses who acts next in simulated time. NULL: the actors'
	    clocks do. This release knows no other. */
	const char *schedule;
};

/**
 * Runs `count` actors side by side and returns when all have ended. None begins
 * before all are there. actors[i] and results[i] belong together; `results`, of
 * `count` elements, may be NULL.
 *
 * Returns 0 or the first negative result in the order of the list. In simulated
 * time a run in which nobody can go on, or in which all retry for ever, is ended:
 * standard error says which actor waits for what, and -EDEADLK is the result of each
 * actor that had not ended; what such an actor holds, it holds for good.
 *
 * If the actors could not be run, no body was called and `results` is as it was:
 *
 * -EINVAL      no body, a size that cannot be read, or a CPU that does not exist or may
 *              not be used
 * -EOPNOTSUPP  the config has a machine or a schedule, and this release knows none
 * -EAGAIN      the host has no room for so many threads
 * -ENOMEM      out of memory
 *
 * Threads: any, but not from an actor's body.
 */
TDP_API int tdp_run(const struct tdp_run_config *config, const struct tdp_actor_config *actors,
		    size_t count, int *results);

/** The actor's place in the list given to tdp_run(), from 0. */
TDP_API size_t tdp_actor_index(const struct tdp_actor *self);
/** The name in its config, or NULL. Borrowed. */
TDP_API const char *tdp_actor_name(const struct tdp_actor *self);

/**
 * A place where a number of actors wait for each other, as often as they like, such
 * as between the phases of a measurement. After a wait each of them may read what any
 * of them wrote before it.
 *
 * Threads: actors only, and no more of them at once than take part.
 */
struct tdp_barrier;

/**
 * Stores a new barrier for `count` actors in *barrier, to be ended with
 * tdp_barrier_destroy(), or leaves *barrier alone.
 *
 * -EINVAL  count is 0
 * -ENOMEM  out of memory
 */
TDP_API int tdp_barrier_create(size_t count, struct tdp_barrier **barrier);
/** NULL is allowed. Nobody may wait there; the first actor after a wait may call it. */
TDP_API void tdp_barrier_destroy(struct tdp_barrier *barrier);
/** Returns when all actors that take part have called it. */
TDP_API void tdp_barrier_wait(struct tdp_barrier *barrier);
/** The calling actor leaves; the others no longer wait for it. */
TDP_API void tdp_barrier_leave(struct tdp_barrier *barrier);

/**
 * One round of an actor's own retry loop: lets others run, the longer the more rounds
 * there were. `*rounds` is the loop's state; set it to 0 before the loop. A loop that
 * waits without it may never end, and in simulated time never does.
 */
TDP_API void tdp_pause(unsigned int *rounds);

/**
 * A request to actors, such as to stop. It is down until anyone raises it, and then
 * stays up. A thread that found it up may read what was written before it was raised.
 */
struct tdp_flag;

/**
 * Stores a new flag, down, in *flag, to be ended with tdp_flag_destroy().
 *
 * -ENOMEM  out of memory; *flag is left alone
 */
TDP_API int tdp_flag_create(struct tdp_flag **flag);
TDP_API void tdp_flag_destroy(struct tdp_flag *flag); /* NULL is allowed */
/** Threads: any, actor or not. */
TDP_API void tdp_flag_raise(struct tdp_flag *flag);
/** The same for a signal handler (async-signal-safe). */
TDP_API void tdp_flag_raise_from_signal(struct tdp_flag *flag);
/** Threads: any. */
TDP_API bool tdp_flag_raised(const struct tdp_flag *flag);
/**
 * Returns true once the flag is up, or false after so many nanoseconds; the wait takes
 * no processor time. Meant for an actor that works at intervals until it shall stop.
 * In simulated time a raise by a signal handler is seen when the wait is over.
 * Threads: any.
 */
TDP_API bool tdp_flag_wait(const struct tdp_flag *flag, uint64_t nanoseconds);

/**
 * Nanoseconds since some moment in the past; never goes back. In simulated time it is
 * the calling actor's clock.
 */
TDP_API uint64_t tdp_clock_now(void);
/** Nanoseconds of processor time that the calling actor has used; likewise. */
TDP_API uint64_t tdp_clock_cpu_now(void);

#endif
