/*
 * Announcements: I raise a word of my own, then look at a shared one; somebody else
 * changes the shared one, then looks at mine. At least one of us must see the other.
 *
 * Two sequentially consistent operations on each side do it, and cost the one who
 * announces a locked instruction each time. Where the kernel can order all threads of
 * the process from outside (membarrier(2), Linux 4.14), the announcement is a plain
 * store, and who looks at the announcements calls announce_meet() before: every other
 * thread then either had made its announcement, or looks after the change. That makes
 * the seldom side dear, some microseconds where other threads run, and suits words
 * that are announced millions of times as often as they are looked at.
 *
 * `plain` is what announce_plainly() said when the pair of words was made. It is false
 * in virtual time and for a race detector, neither of which knows such an order.
 */
#ifndef TDPSIM_PLATFORM_ANNOUNCE_H
#define TDPSIM_PLATFORM_ANNOUNCE_H

#include "platform/atomic.h"

/* May announcements be plain stores here? An engine's: announce.c. */
bool announce_plainly(void);
void announce_meet_all(void);

static inline void announce_meet(bool plain)
{
	if (plain)
		announce_meet_all();
}

/*
 * Sequentially consistent, or, if plain, release and in program order before every
 * later load; the processor may reorder the two, which is what announce_meet() undoes.
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
