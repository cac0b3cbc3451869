/*
 * Locks of one holder
 *
 * spinlock  a leaf lock held for a few instructions. Spins shortly, then parks.
 * mutex     may be held while sleeping. Spins shortly, then parks.
 *
 * Neither may melt when 128 threads share 2 CPUs: whoever cannot get in after a
 * short spin parks, and a release wakes only whom it must.
 *
 * Fairness
 *   F1  A mutex may be overtaken while it is free, or every turn would cost a
 *       context switch; but who was overtaken MUTEX_PATIENCE times is handed the
 *       lock by its holder. So unlocking and locking again lets a waiter in soon.
 *
 * Order: taking is an acquire, releasing a release.
 *
 * The uncontended paths are here, to be inlined; waiting is in lock.c.
 */
#ifndef TDPSIM_PLATFORM_LOCK_H
#define TDPSIM_PLATFORM_LOCK_H

#include "platform/wait.h"

struct spinlock {
	atomic_u32 word; /* 0 free, 1 held, 2 held and somebody may be parked */
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

#define MUTEX_HELD   1u
#define MUTEX_PARKED 2u /* somebody may be parked on `word` */
#define MUTEX_HUNGRY 4u /* somebody waits for `grant`; implies MUTEX_HELD */

#define MUTEX_PATIENCE 8

struct mutex {
	atomic_u32 word;  /* 0 free, else MUTEX_*; changed by compare-and-swap */
	atomic_u32 grant; /* 1: held on behalf of whoever takes this back to 0 */
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

/* Is somebody parked? Relaxed: a hint, acted upon by unlocking. */
static inline bool mutex_contended(const struct mutex *mutex)
{
	return u32_load_relaxed(&mutex->word) & (MUTEX_PARKED | MUTEX_HUNGRY);
}

#endif
