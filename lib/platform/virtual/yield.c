/* Yields to the other actors for some time. See yield.h. */
#include "platform/virtual/yield.h"

#include "platform/virtual/engine.h"
#include "platform/virtual/schedule.h"
#include "platform/virtual/scheduler.h"

void scheduler_pass(uint64_t ticks)
{
	struct scheduler *scheduler = engine_now.scheduler;

	if (scheduler && scheduler->schedule) {
		scheduler_acting(scheduler)->yielded_at = scheduler->schedule->steps + 1;
		if (scheduler->schedule->gave_way)
			scheduler->schedule->gave_way(scheduler->schedule, scheduler->running);
		ticks = 1;
	}
	engine_spend(ticks, NULL, ENGINE_PAUSE);
}
