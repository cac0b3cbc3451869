#include "platform/virtual/schedule.h"

static _Thread_local struct schedule *used;

void schedule_use(struct schedule *schedule)
{
	used = schedule;
}

struct schedule *schedule_used(void)
{
	return used;
}
