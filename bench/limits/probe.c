#include "limits/probe.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "limits/ground.h"

/* One run of a probe, shared by its threads. */
struct run {
	const struct probe *probe;
	struct ground *ground;
	/*
	 * Held while the threads are created. Each takes it once and then reads whether all threads
	 * exist: without the other one, a thread must not wait for it.
	 */
	pthread_mutex_t gate;
	bool complete;
	unsigned int arrivals; /* incremented by every thread at each batch; see meet() */
};

struct runner {
	struct run *run;
	unsigned int id, cpu;
	pthread_t thread;
	double ns; /* ns for each operation */
	int error;
};

static double clock_ns(bool wall)
{
	struct timespec now;

	clock_gettime(wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts `values`. */
static double median(double *ns, size_t count)
{
	qsort(ns, count, sizeof(*ns), ascending);
	return ns[count / 2];
}

static int time_loop(const struct probe *probe, struct ground *ground, unsigned int thread,
		     double *ns)
{
	double began = clock_ns(probe->wall);
	uint64_t operations = probe->loop(ground, thread);
	double took = clock_ns(probe->wall) - began;

	if (!operations)
		return -EIO;
	*ns = took / (double)operations;
	return 0;
}

/* Returns when all threads have arrived for the n-th time. */
static void meet(struct run *run, unsigned int n)
{
	__atomic_fetch_add(&run->arrivals, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&run->arrivals, __ATOMIC_ACQUIRE) < n * run->probe->threads)
		;
}

/* A thread that fails still makes its batches, because the other one waits for it. */
static int time_batches(struct run *run, unsigned int thread, double *ns)
{
	unsigned int batches = run->probe->batches ? run->probe->batches : 1;
	double of_batch[PROBE_BATCHES] = {0};
	int err = 0;

	for (unsigned int i = 0; i < batches; i++) {
		meet(run, i + 1);
		if (time_loop(run->probe, run->ground, thread, &of_batch[i]))
			err = -EIO;
	}
	*ns = median(of_batch, batches);
	return err;
}

static int pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *run_thread(void *arg)
{
	struct runner *runner = arg;
	struct run *run = runner->run;
	bool complete;
	int err;

	pthread_mutex_lock(&run->gate);
	complete = run->complete;
	pthread_mutex_unlock(&run->gate);
	if (!complete)
		return NULL;
	runner->error = pin(runner->cpu);
	err = time_batches(run, runner->id, &runner->ns);
	if (!runner->error)
		runner->error = err;
	return NULL;
}

static int start_and_join(struct run *run, struct runner *runners)
{
	unsigned int count = run->probe->threads, started = 0;
	int err = 0;

	pthread_mutex_lock(&run->gate);
	while (!err && started < count) {
		err = -pthread_create(&runners[started].thread, NULL, run_thread,
				      &runners[started]);
		if (!err)
			started++;
	}
	run->complete = !err;
	pthread_mutex_unlock(&run->gate);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(runners[i].thread, NULL);
	return err;
}

/* Runs all threads at once; returns the mean of their times. */
static int time_threads(const struct probe *probe, struct ground *ground,
			const struct limits_cpus *cpus, double *ns)
{
	struct run run = {.probe = probe, .ground = ground};
	struct runner runners[PROBE_THREADS];
	int err;

	for (unsigned int i = 0; i < probe->threads; i++)
		runners[i] = (struct runner){.run = &run, .id = i, .cpu = cpus->cpu[i]};
	pthread_mutex_init(&run.gate, NULL);
	err = start_and_join(&run, runners);
	pthread_mutex_destroy(&run.gate);
	*ns = 0;
	for (unsigned int i = 0; !err && i < probe->threads; i++) {
		err = runners[i].error;
		*ns += runners[i].ns / probe->threads;
	}
	return err;
}

/* The CPUs to use: those of the config, or the first ones of the process. */
static int choose_cpus(const struct limits_config *config, struct limits_cpus *cpus)
{
	unsigned int found = 0;
	cpu_set_t set;

	*cpus = config->cpus;
	if (config->pinned)
		return 0;
	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && found < PROBE_THREADS; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus->cpu[found++] = cpu;
	return found == PROBE_THREADS ? 0 : -ENODEV;
}

static int run_once(const struct probe *probe, struct ground *ground,
		    const struct limits_cpus *cpus, double *ns)
{
	int err = probe->prepare ? probe->prepare(ground) : 0;

	if (err)
		return err;
	err = probe->threads ? time_threads(probe, ground, cpus, ns)
			     : time_loop(probe, ground, 0, ns);
	if (probe->clean)
		probe->clean(ground);
	return err;
}

int probe_measure(const struct probe *probe, struct ground *ground,
		  const struct limits_config *config, struct sample *sample)
{
	unsigned int runs = config->runs ? config->runs : LIMITS_RUNS;
	double *ns = calloc(runs, sizeof(*ns));
	struct limits_cpus cpus = {0};
	int err = ns ? 0 : -ENOMEM;

	if (!err && probe->threads)
		err = choose_cpus(config, &cpus);
	if (!err) /* not counted: warms up the caches and the clock rate */
		err = run_once(probe, ground, &cpus, &ns[0]);
	for (unsigned int i = 0; !err && i < runs; i++)
		err = run_once(probe, ground, &cpus, &ns[i]);
	if (!err) {
		sample->median = median(ns, runs);
		sample->least = ns[0];
		sample->most = ns[runs - 1];
	}
	free(ns);
	return err;
}
