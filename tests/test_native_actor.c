/*
 * What only an engine of real threads can promise: a pinned actor runs where it
 * was told to, as the kernel reports it.
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
		if (tdp_run(&actor, 1, &result) == 0) {
			assert_int_equal(result, actor.cpu);
			runs++;
		}
	}
	assert_true(runs > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pinned_actor_keeps_to_its_cpu),
	};

	return cmocka_run_group_tests_name("platform/native/actor", tests, NULL, NULL);
}
