#include "common/selftest.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NANO 1000000000LL

const char *selftest_time(double seconds, char text[SELFTEST_TIME])
{
	long long ns = llround(seconds * (double)NANO);

	snprintf(text, SELFTEST_TIME, "%lld.%.9llds", ns / NANO, ns % NANO);
	return text;
}

void selftest_seed(const struct guest_options *guest)
{
	printf("Random seed: 0x%" PRIx64 "\n", guest->seed);
}

void selftest_memory(const struct guest_options *guest)
{
	/* The only mode on x86. */
	printf("Testing guest mode: PA-bits:ANY, VA-bits:48,  4K pages\n");
	printf("guest physical test memory: [0x%" PRIx64 ", 0x%" PRIx64 ")\n", GUEST_BASE,
	       GUEST_BASE + guest->guest_memory);
}

void selftest_line(const char *what, double seconds)
{
	char time[SELFTEST_TIME];

	printf("%-30s: %s\n", what, selftest_time(seconds, time));
}

const struct phase *selftest_phase(const struct report_run *run, const char *name,
				   unsigned int number)
{
	for (size_t i = 0; i < run->median.phase_count; i++) {
		const struct phase *phase = &run->median.phases[i];

		if (phase->number == number && strcmp(phase->name, name) == 0)
			return phase;
	}
	return NULL;
}
