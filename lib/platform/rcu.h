/*
 * Deferred freeing: an epoch, one domain for each purpose
 *
 * Readers mark sections in a record that is passed by pointer (a vCPU's own, or
 * one borrowed for another caller), so nothing is thread-local or global. What
 * was unlinked before rcu_defer() is freed when every section that was open at
 * that moment has ended.
 *
 * Promises
 *   E1  A callback runs after every section that began before its rcu_defer()
 *       ended, and before rcu_barrier() returns if it was deferred before that.
 *   E2  rcu_synchronize() returns after every section that began before the call
 *       ended. It never waits for sections that begin later.
 *   E3  Callbacks run outside all locks of the domain, on a thread that called
 *       rcu_defer(), rcu_poll() or rcu_barrier(), one at a time and in the
 *       order in which they were deferred. A callback may call rcu_defer().
 *
 * Relies on
 *   R1  A record is used by one actor at a time; sections of a record nest.
 *   R2  rcu_synchronize() and rcu_barrier() are called outside sections of the
 *       same domain and not by its callbacks.
 *
 * Order (no bare fences: race detectors model none)
 *   Entering announces the epoch in the record's word (announce.h), and then is a
 *   sequentially consistent load of the epoch. The reclaimer advances the epoch by a
 *   sequentially consistent addition, meets the announcements and then reads the
 *   records in the same way. So either it sees the reader inside, or the reader's
 *   load sees the new epoch, and by acquiring it all that was unlinked before.
 *   Leaving is a release; reading a record is an acquire, so the section's
 *   accesses happen before the free. rcu.c has the rest of the argument.
 */
#ifndef TDPSIM_PLATFORM_RCU_H
#define TDPSIM_PLATFORM_RCU_H

#include <stddef.h>

#include "platform/announce.h"
#include "platform/handover.h"
#include "platform/lock.h"

struct rcu_head {
	struct rcu_head *next;
	void (*release)(struct rcu_head *head, void *context);
	uint64_t epoch;
};

struct rcu_reader {
	/*
	 * 0 outside, else the epoch seen at entry, times two plus one. Written by
	 * its owner alone, read by reclaimers (order above).
	 */
	_Alignas(CACHE_LINE) atomic_u64 epoch;
	unsigned int nesting;	 /* owner only */
	struct rcu_reader *next; /* under `registry` */
};

struct rcu {
	/* Advanced under `queue_lock`; read by every section, so alone on its line. */
	_Alignas(CACHE_LINE) atomic_u64 epoch;
	bool plain; /* announcements: announce.h; immutable */
	/*
	 * The vCPUs that hand their CPUs over while sections are waited for; NULL: none. Set by the
	 * domain's owner after the init, immutable once others use the domain.
	 */
	struct handover *handover;

	_Alignas(CACHE_LINE) struct mutex registry; /* readers */
	struct rcu_reader *readers;

	struct spinlock queue_lock; /* the queue, oldest first, and `deferred` */
	struct rcu_head *queue_first, **queue_last;
	/*
	 * How many were ever deferred, and how many of those have run; the latter is
	 * stored by the one who holds `reclaimer`, with release after each callback.
	 */
	atomic_u64 deferred, done;
	struct mutex reclaimer; /* only ever tried: one runs callbacks, nobody waits */
	void *context;		/* given to every callback; immutable */
};

void rcu_init(struct rcu *rcu, void *context);
/* Runs what is left. No reader may be registered or inside. */
void rcu_fini(struct rcu *rcu);

void rcu_register(struct rcu *rcu, struct rcu_reader *reader);
void rcu_unregister(struct rcu *rcu, struct rcu_reader *reader);

static inline void rcu_enter(struct rcu *rcu, struct rcu_reader *reader)
{
	if (__builtin_expect(reader->nesting++ != 0, 0))
		return;
	/* Relaxed: an old epoch only makes the section look older than it is. */
	u64_announce(&reader->epoch, u64_load_relaxed(&rcu->epoch) * 2 + 1, rcu->plain);
	(void)u64_load_seq_cst(&rcu->epoch);
}

static inline void rcu_leave(struct rcu_reader *reader)
{
	if (__builtin_expect(--reader->nesting == 0, 1))
		u64_store_release(&reader->epoch, 0);
}

static inline bool rcu_inside(const struct rcu_reader *reader)
{
	return reader->nesting != 0;
}

/* Never fails and waits for no section; now and then runs what is due. */
void rcu_defer(struct rcu *rcu, struct rcu_head *head,
	       void (*release)(struct rcu_head *head, void *context));

/* Runs what is due without waiting for anybody; nothing if another is at it. */
void rcu_poll(struct rcu *rcu);
void rcu_synchronize(struct rcu *rcu);
void rcu_barrier(struct rcu *rcu);

#endif
