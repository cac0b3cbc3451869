/*
 * Announcements: thread A raises a word of its own, then reads a shared word. Thread B
 * changes the shared word, then reads A's. At least one of them must see the other's write.
 *
 * Two sequentially consistent operations on each side ensure that, and cost A a locked
 * instruction for each announcement. Where the kernel can order all threads of the process
 * (membarrier(2), Linux 4.14), the announcement is a plain store, and B calls
 * announce_meet() before it reads announcements: every other thread then either has made
 * its announcement before, or reads the shared word after B's change. The call costs B some
 * microseconds while other threads run, so this suits words that are announced millions of
 * times as often as they are read.
 *
 * `plain` is the result of announce_plainly() when the pair of words was made. It is false
 * in virtual time and under a race detector, because neither models that order.
 */
#ifndef TDPSIM_PLATFORM_ANNOUNCE_H
#define TDPSIM_PLATFORM_ANNOUNCE_H

#include "platform/atomic.h"

/* May announcements be plain stores here? Each engine has its own: announce.c. */
bool announce_plainly(void);
void announce_meet_all(void);

static inline void announce_meet(bool plain)
{
	if (plain)
		announce_meet_all();
}

/*
 * A sequentially consistent store; if `plain`, a release store that the compiler keeps
 * before every later load. The processor may reorder the two; announce_meet() undoes that.
 */
static inline void u64_announce(atomic_u64 *at, uint64_t value, bool plain)
{
	if (__builtin_expect(!plain, 0)) {
		u64_exchange_seq_cst(at, value);
		return;
	}
	u64_store_release(at, value);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void u32_announce(atomic_u32 *at, uint32_t value, bool plain)
{
	if (__builtin_expect(!plain, 0)) {
		u32_exchange_seq_cst(at, value);
		return;
	}
	u32_store_release(at, value);
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
