/*
 * Announcements by plain stores: the kernel interrupts every CPU that runs a thread of
 * this process, and each executes a full barrier where it is. See announce.h.
 */
#include "platform/announce.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/check.h"

#if defined(__SANITIZE_THREAD__)
#define RACES_DETECTED true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RACES_DETECTED true
#endif
#endif
#ifndef RACES_DETECTED
#define RACES_DETECTED false
#endif

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

bool announce_plainly(void)
{
	/* Once more does no harm: a process registers itself for good. */
	return !RACES_DETECTED && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void announce_meet_all(void)
{
	CHECK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
}
