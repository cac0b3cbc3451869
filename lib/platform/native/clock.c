/*
 * The host's clocks. Neither read can fail: both clocks exist on every Linux
 * that the library runs on.
 */
#include "platform/clock.h"

#include <time.h>

static uint64_t nanoseconds(clockid_t id)
{
	struct timespec time;

	clock_gettime(id, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t clock_now(void)
{
	return nanoseconds(CLOCK_MONOTONIC);
}

uint64_t clock_cpu_now(void)
{
	return nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}
