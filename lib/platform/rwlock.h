/*
 * Reader-writer lock: mmu_lock's word, in three kinds that can be compared in one run
 *
 *   RWLOCK_EXCLUSIVE  readers are writers (upstream until 5.11)
 *   RWLOCK_SHARED     one fair word: readers count up in it, a waiting writer stops new readers
 *                     (upstream since 5.12)
 *   RWLOCK_PERCPU     each registered reader has a flag of its own cache line and the writer
 *                     sweeps them; all other readers share one word
 *
 * None may melt when 128 threads share 2 CPUs: whoever cannot get in after a short spin parks, and
 * a release wakes only whom it must. A writer whose readers have been preempted asks vCPUs for
 * their CPUs (handover.h).
 *
 * Fairness (F1 is the mutex's, lock.h)
 *   F2  No reader enters while a writer waits (SHARED, PERCPU).
 *   F3  The readers that wait when a writer leaves all enter before the next writer (SHARED,
 *       PERCPU). Writers among themselves follow F1, as do all in EXCLUSIVE.
 *
 * Order: taking is an acquire, releasing a release; RWLOCK_PERCPU's readers announce themselves
 * and a writer meets the announcements (announce.h; reader: flag then writer word; writer: writer
 * word then flags), so that one of the two sees the other.
 *
 * The uncontended paths are here, to be inlined; waiting is in rwlock.c.
 */
#ifndef TDPSIM_PLATFORM_RWLOCK_H
#define TDPSIM_PLATFORM_RWLOCK_H

#include <stddef.h>

#include "platform/announce.h"
#include "platform/handover.h"
#include "platform/lock.h"

enum rwlock_kind {
	RWLOCK_EXCLUSIVE,
	RWLOCK_SHARED,
	RWLOCK_PERCPU,
};

enum rwlock_reader_state {
	RWLOCK_OUTSIDE,
	RWLOCK_BY_FLAG, /* inside, or about to ask whether a writer is */
	RWLOCK_BY_WORD, /* came while a writer waited: counted in the lock's word */
};

/* A registered reader's half of a RWLOCK_PERCPU; embedded in the vCPU. */
struct rwlock_reader {
	/*
	 * An rwlock_reader_state. Written by its owner alone, entering by an
	 * announcement and leaving by a release; read by a sweeping writer.
	 */
	_Alignas(CACHE_LINE) atomic_u32 state;
	struct rwlock_reader *next; /* list of registered readers, under `writers` */
};

/*
 * The word counts readers in its low bits; its two highest bits are a phase that
 * each writer advances when it announces itself and again when it leaves. An odd
 * phase says that a writer waits or is inside.
 */
#define RWLOCK_PHASE_SHIFT 30
#define RWLOCK_PHASE	   (1u << RWLOCK_PHASE_SHIFT)
#define RWLOCK_WRITER	   RWLOCK_PHASE
#define RWLOCK_READERS	   (RWLOCK_PHASE - 1)

struct rwlock {
	enum rwlock_kind kind;	       /* immutable after init */
	bool plain;		       /* RWLOCK_PERCPU's announcements; immutable after init */
	struct rwlock_reader *readers; /* under `writers` */
	/*
	 * The vCPUs that hand their CPUs over while a writer waits for readers; NULL: none. Set by
	 * the lock's owner after the init, immutable once others use the lock.
	 */
	struct handover *handover;

	/* Phase and readers; only ever added to (rwlock.c). Apart from what never changes. */
	_Alignas(CACHE_LINE) atomic_u32 word;
	/*
	 * 1 while a writer is inside, stored by it alone; relaxed, for
	 * rwlock_contended(), whose caller is inside or keeps the writer out.
	 */
	atomic_u32 writer_inside;
	/* Twice the readers that the announced writer waits for, plus one if it is parked. */
	atomic_u32 writer_wait;
	/* Two more for each writer that left; odd if a reader is parked on it. */
	atomic_u32 turn;

	/* One writer at a time; all of EXCLUSIVE's lock. */
	_Alignas(CACHE_LINE) struct mutex writers;
};

void rwlock_init(struct rwlock *lock, enum rwlock_kind kind);
void rwlock_fini(struct rwlock *lock);

/* Registering and unregistering exclude writers. The reader is not inside then. */
void rwlock_register(struct rwlock *lock, struct rwlock_reader *reader);
void rwlock_unregister(struct rwlock *lock, struct rwlock_reader *reader);

void rwlock_write_lock(struct rwlock *lock);
void rwlock_write_unlock(struct rwlock *lock);

/* In rwlock.c; callers use the inline functions below. */
void rwlock_wait_for_turn(struct rwlock *lock, uint32_t word);
void rwlock_count_down(struct rwlock *lock);
void rwlock_enter_by_word(struct rwlock *lock, struct rwlock_reader *reader);
void rwlock_leave_swept(struct rwlock_reader *reader);

static inline void rwlock_count_in(struct rwlock *lock)
{
	uint32_t word = u32_add_acq_rel(&lock->word, 1);

	if (__builtin_expect(word & RWLOCK_WRITER, 0))
		rwlock_wait_for_turn(lock, word);
}

static inline void rwlock_count_out(struct rwlock *lock)
{
	if (__builtin_expect(u32_add_acq_rel(&lock->word, (uint32_t)-1) & RWLOCK_WRITER, 0))
		rwlock_count_down(lock);
}

static inline void rwlock_flag_in(struct rwlock *lock, struct rwlock_reader *reader)
{
	u32_announce(&reader->state, RWLOCK_BY_FLAG, lock->plain);
	if (__builtin_expect(u32_load_seq_cst(&lock->word) & RWLOCK_WRITER, 0))
		rwlock_enter_by_word(lock, reader);
}

static inline void rwlock_flag_out(struct rwlock *lock, struct rwlock_reader *reader)
{
	bool by_word = u32_load_relaxed(&reader->state) == RWLOCK_BY_WORD;

	u32_store_release(&reader->state, RWLOCK_OUTSIDE);
	if (__builtin_expect(by_word, 0))
		rwlock_count_out(lock);
	/* Relaxed: that it may miss a writer is what wait_while_briefly() is for. */
	else if (__builtin_expect(u32_load_relaxed(&lock->word) & RWLOCK_WRITER, 0))
		rwlock_leave_swept(reader);
}

/* `reader` is NULL for a caller that is not registered; same value for both. */
static inline void rwlock_read_lock(struct rwlock *lock, struct rwlock_reader *reader)
{
	if (lock->kind == RWLOCK_PERCPU && reader)
		rwlock_flag_in(lock, reader);
	else if (lock->kind != RWLOCK_EXCLUSIVE)
		rwlock_count_in(lock);
	else
		mutex_lock(&lock->writers);
}

static inline void rwlock_read_unlock(struct rwlock *lock, struct rwlock_reader *reader)
{
	if (lock->kind == RWLOCK_PERCPU && reader)
		rwlock_flag_out(lock, reader);
	else if (lock->kind != RWLOCK_EXCLUSIVE)
		rwlock_count_out(lock);
	else
		mutex_unlock(&lock->writers);
}

/* Does somebody wait for the lock that the caller holds? A hint for yielding. */
static inline bool rwlock_contended(const struct rwlock *lock)
{
	uint32_t word;

	if (lock->kind == RWLOCK_EXCLUSIVE)
		return mutex_contended(&lock->writers);
	word = u32_load_relaxed(&lock->word);
	if (!(word & RWLOCK_WRITER))
		return false;
	return !u32_load_relaxed(&lock->writer_inside) || (word & RWLOCK_READERS) ||
	       mutex_contended(&lock->writers);
}

#endif
