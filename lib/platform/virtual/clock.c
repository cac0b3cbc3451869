/*
 * Time is the acting actor's clock; a tick is a nanosecond. Reading the clock is no event.
 */
#include "platform/clock.h"

#include "platform/virtual/scheduler.h"

uint64_t clock_now(void)
{
	if (engine_now.scheduler)
		scheduler_acting(engine_now.scheduler)->reads_clock = true;
	return engine_now.clock;
}

uint64_t clock_cpu_now(void)
{
	return clock_now();
}
