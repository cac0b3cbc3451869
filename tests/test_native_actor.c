/*
 * Promises that only an engine of real threads can keep: a pinned actor runs on its CPU, as the
 * kernel reports it, and a waiting actor uses no processor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#define CPUS_TRIED 4096

/* The one CPU that the calling thread may use, or -1 if there are more. */
static int only_allowed_cpu(void)
{
	FILE *status = fopen("/proc/thread-self/status", "r");
	char line[256];
	int cpu = -1;

	while (status && fgets(line, sizeof(line), status)) {
		unsigned int only;
		char after;

		if (sscanf(line, "Cpus_allowed_list: %u%c", &only, &after) == 2 && after == '\n')
			cpu = (int)only;
	}
	if (status)
		fclose(status);
	return cpu;
}

static int report_cpu(struct tdp_actor *self, void *arg)
{
	(void)self;
	(void)arg;
	return only_allowed_cpu();
}

static void a_pinned_actor_keeps_to_its_cpu(void **state)
{
	struct tdp_actor_config actor = {.body = report_cpu, .pinned = true};
	unsigned int runs = 0;
	int result;

	(void)state;
	for (actor.cpu = 0; actor.cpu < CPUS_TRIED; actor.cpu++) {
		result = -1;
		if (tdp_run(NULL, &actor, 1, &result) == 0) {
			assert_int_equal(result, actor.cpu);
			runs++;
		}
	}
	assert_true(runs > 0);
}

/* Actor 0 works while the other one waits for it. */
static int work_or_wait(struct tdp_actor *self, void *arg)
{
	struct tdp_barrier *barrier = arg;
	uint64_t began, used;

	tdp_barrier_wait(barrier);
	began = tdp_clock_cpu_now();
	while (tdp_actor_index(self) == 0 && tdp_clock_cpu_now() - began < 20000000)
		continue;
	tdp_barrier_wait(barrier);
	used = tdp_clock_cpu_now() - began;
	return (used >= 20000000) == (tdp_actor_index(self) == 0) ? 0 : -1;
}

static void only_work_is_counted_as_an_actors_cpu_time(void **state)
{
	struct tdp_actor_config actors[2] = {{.body = work_or_wait}, {.body = work_or_wait}};
	struct tdp_barrier *barrier;

	(void)state;
	assert_int_equal(tdp_barrier_create(2, &barrier), 0);
	actors[0].arg = actors[1].arg = barrier;
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_barrier_destroy(barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pinned_actor_keeps_to_its_cpu),
		cmocka_unit_test(only_work_is_counted_as_an_actors_cpu_time),
	};

	return cmocka_run_group_tests_name("platform/native/actor", tests, NULL, NULL);
}
