/* Virtual time puts all events into one order, so plain announcements would gain nothing. */
#include "platform/announce.h"

bool announce_plainly(void)
{
	return false;
}

void announce_meet_all(void)
{
}
