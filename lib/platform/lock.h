/*
 * Locks with one holder
 *
 * spinlock  a leaf lock held for a few instructions. A waiter spins briefly, then parks.
 * mutex     may be held while sleeping. A waiter spins briefly, then parks.
 *
 * Both must keep their throughput when 128 threads share 2 CPUs, so a waiter parks after a
 * short spin, and a release wakes no more waiters than it must.
 *
 * Fairness
 *   F1  A running thread may take a free mutex before a parked waiter does, because each
 *       handover would cost a context switch. But after MUTEX_PATIENCE lost attempts a
 *       waiter is starving, and the holder hands the mutex to it. So a thread that unlocks
 *       and locks again lets a waiter in soon.
 *
 * Order: taking is an acquire, releasing a release.
 *
 * The uncontended paths are here, to be inlined; waiting is in lock.c.
 */
#ifndef TDPSIM_PLATFORM_LOCK_H
#define TDPSIM_PLATFORM_LOCK_H

#include "platform/wait.h"

struct spinlock {
	atomic_u32 word; /* 0 free, 1 held, 2 held and a waiter may be parked */
};

void spinlock_wait(struct spinlock *lock); /* lock.c; callers use spinlock_lock() */

static inline void spinlock_init(struct spinlock *lock)
{
	u32_init(&lock->word, 0);
}

static inline void spinlock_lock(struct spinlock *lock)
{
	uint32_t free = 0;

	if (__builtin_expect(!u32_cas_acq_rel(&lock->word, &free, 1), 0))
		spinlock_wait(lock);
}

static inline void spinlock_unlock(struct spinlock *lock)
{
	if (__builtin_expect(u32_exchange_acq_rel(&lock->word, 0) == 2, 0))
		wait_wake_one(&lock->word);
}

#define MUTEX_HELD     1u
#define MUTEX_PARKED   2u /* a waiter may be parked on `word` */
#define MUTEX_STARVING 4u /* a waiter waits for `grant`; implies MUTEX_HELD */

#define MUTEX_PATIENCE 8

struct mutex {
	atomic_u32 word;  /* 0 free, else MUTEX_*; changed by compare-and-swap */
	atomic_u32 grant; /* 1: held on behalf of the waiter that sets this back to 0 */
};

void mutex_wait(struct mutex *mutex);	 /* lock.c; callers use mutex_lock() */
void mutex_release(struct mutex *mutex); /* lock.c; callers use mutex_unlock() */

static inline void mutex_init(struct mutex *mutex)
{
	u32_init(&mutex->word, 0);
	u32_init(&mutex->grant, 0);
}

static inline bool mutex_trylock(struct mutex *mutex)
{
	uint32_t free = 0;

	return u32_cas_acq_rel(&mutex->word, &free, MUTEX_HELD);
}

static inline void mutex_lock(struct mutex *mutex)
{
	if (__builtin_expect(!mutex_trylock(mutex), 0))
		mutex_wait(mutex);
}

static inline void mutex_unlock(struct mutex *mutex)
{
	uint32_t held = MUTEX_HELD;

	if (__builtin_expect(!u32_cas_acq_rel(&mutex->word, &held, 0), 0))
		mutex_release(mutex);
}

/* Is a waiter parked? Relaxed: a hint, and the holder acts on it by unlocking. */
static inline bool mutex_contended(const struct mutex *mutex)
{
	return u32_load_relaxed(&mutex->word) & (MUTEX_PARKED | MUTEX_STARVING);
}

#endif
