/*
 * Locks
 *
 * spinlock  a leaf lock held for a few instructions. Spins shortly, then parks.
 * mutex     may be held while sleeping. Parks.
 * rwlock    mmu_lock's word, in three kinds that can be compared in one run:
 *             RWLOCK_EXCLUSIVE  readers are writers (upstream until 5.11)
 *             RWLOCK_SHARED     one fair word: readers count up in it, a waiting
 *                               writer stops new readers (upstream since 5.12)
 *             RWLOCK_PERCPU     each registered reader has a flag of its own
 *                               cache line and the writer sweeps them; all other
 *                               readers share one word
 *
 * None may melt when 128 threads share 2 CPUs: whoever cannot get in after a
 * short spin parks, and a release wakes only whom it must.
 *
 * Order: taking is an acquire, releasing a release; RWLOCK_PERCPU's announce
 * and sweep are sequentially consistent (reader: flag then writer word; writer:
 * writer word then flags), so that one of the two sees the other.
 */
#ifndef TDPSIM_PLATFORM_LOCK_H
#define TDPSIM_PLATFORM_LOCK_H

#include <stddef.h>

#include "platform/atomic.h"

struct spinlock {
	atomic_u32 word; /* 0 free, 1 held, 2 held and somebody is parked */
};

void spinlock_init(struct spinlock *lock);
void spinlock_lock(struct spinlock *lock);
void spinlock_unlock(struct spinlock *lock);

struct mutex {
	atomic_u32 word; /* as in struct spinlock */
};

void mutex_init(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

enum rwlock_kind {
	RWLOCK_EXCLUSIVE,
	RWLOCK_SHARED,
	RWLOCK_PERCPU,
};

/* A registered reader's half of a RWLOCK_PERCPU; embedded in the vCPU. */
struct rwlock_reader {
	/* 1 while inside. Written by its owner alone; read by a sweeping writer. */
	_Alignas(CACHE_LINE) atomic_u32 inside;
	struct rwlock_reader *next; /* list of registered readers, under `registry` */
};

struct rwlock {
	enum rwlock_kind kind; /* immutable after init */

	/* Fields are the lock's own business; lock.c of the engine documents them. */
	_Alignas(CACHE_LINE) atomic_u32 word;
	atomic_u32 writer_wait;
	atomic_u32 reader_wait;
	atomic_u32 waiters;
	struct mutex writers;
	struct mutex registry;
	struct rwlock_reader *readers;
};

void rwlock_init(struct rwlock *lock, enum rwlock_kind kind);
void rwlock_fini(struct rwlock *lock);

/* Registering and unregistering exclude writers. The reader is not inside then. */
void rwlock_register(struct rwlock *lock, struct rwlock_reader *reader);
void rwlock_unregister(struct rwlock *lock, struct rwlock_reader *reader);

/* `reader` is NULL for a caller that is not registered; same value for both. */
void rwlock_read_lock(struct rwlock *lock, struct rwlock_reader *reader);
void rwlock_read_unlock(struct rwlock *lock, struct rwlock_reader *reader);
void rwlock_write_lock(struct rwlock *lock);
void rwlock_write_unlock(struct rwlock *lock);

/* Does somebody wait for the lock that the caller holds? A hint for yielding. */
bool rwlock_contended(const struct rwlock *lock);

#endif
