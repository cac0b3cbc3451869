/*
 * Reader-writer lock: waiting for it
 *
 * Shared word. Readers come and leave by one addition each. A writer takes
 * `writers`, advances the phase to odd, which tells later readers to wait
 * and how many earlier ones it waits for itself, and those count down
 * `writer_wait` as they leave. Leaving, it advances the phase again, by which all
 * waiting readers are inside at once: they are counted already, so the next
 * writer waits for them (F3). A waiting reader sees its turn in the phase, which
 * cannot come round to the same value meanwhile: three more steps would need a
 * writer that enters while the reader is counted.
 *
 *   Parking. A reader reads `turn`, then the phase; the writer advances the phase,
 *   then `turn`. Both read with acquire and write with release: a reader that sees
 *   the new turn sees the new phase and does not park, and one that saw the old
 *   turn parks on a value that is about to change, which wakes it.
 *   The writer parks on `writer_wait`, whose last decrement finds the parked bit.
 *
 * Percpu. A registered reader raises its flag, then looks for a writer; a writer
 * announces itself in the word, then looks at the flags; all four are sequentially
 * consistent, or as good as that by the writer's announce_meet() between its two, so
 * at least one sees the other. A reader that sees a writer lowers its flag and comes
 * by the word instead, where F3 holds for it.
 * Leaving is a plain release, no read-modify-write: the reader looks at the word
 * for a writer to wake, but the processor may do that before its store is seen,
 * and miss one that parks at the same moment. Hence wait_while_briefly().
 *
 * Checked by test_platform_lock.c.
 */
#include "platform/rwlock.h"

#include "platform/check.h"

void rwlock_init(struct rwlock *lock, enum rwlock_kind kind)
{
	lock->kind = kind;
	lock->plain = kind == RWLOCK_PERCPU && announce_plainly();
	lock->readers = NULL;
	lock->handover = NULL;
	u32_init(&lock->word, 0);
	u32_init(&lock->writer_inside, 0);
	u32_init(&lock->writer_wait, 0);
	u32_init(&lock->turn, 0);
	mutex_init(&lock->writers);
}

void rwlock_fini(struct rwlock *lock)
{
	CHECK(!lock->readers);
	CHECK(!(u32_load_relaxed(&lock->word) & (RWLOCK_WRITER | RWLOCK_READERS)));
	CHECK(!u32_load_relaxed(&lock->writers.word));
}

/* A writer holds `writers` until it leaves, so the list stands still for its sweep. */
void rwlock_register(struct rwlock *lock, struct rwlock_reader *reader)
{
	u32_init(&reader->state, RWLOCK_OUTSIDE);
	mutex_lock(&lock->writers);
	reader->next = lock->readers;
	lock->readers = reader;
	mutex_unlock(&lock->writers);
}

void rwlock_unregister(struct rwlock *lock, struct rwlock_reader *reader)
{
	struct rwlock_reader **link = &lock->readers;

	CHECK(u32_load_relaxed(&reader->state) == RWLOCK_OUTSIDE);
	mutex_lock(&lock->writers);
	while (*link != reader) {
		CHECK(*link);
		link = &(*link)->next;
	}
	*link = reader->next;
	mutex_unlock(&lock->writers);
}

/* `word` is what the reader's own arrival found: the phase it has to see end. */
void rwlock_wait_for_turn(struct rwlock *lock, uint32_t word)
{
	uint32_t phase = word >> RWLOCK_PHASE_SHIFT;
	int rounds = 0;

	for (;;) {
		uint32_t turn = u32_load_acquire(&lock->turn);
		uint32_t parked = turn | 1;

		if (u32_load_acquire(&lock->word) >> RWLOCK_PHASE_SHIFT != phase)
			return;
		if (wait_look_again(&rounds))
			continue;
		if (turn == parked || u32_cas_acq_rel(&lock->turn, &turn, parked))
			wait_while(&lock->turn, parked);
	}
}

/* A reader that leaves while a writer is announced was counted by that writer. */
void rwlock_count_down(struct rwlock *lock)
{
	if (u32_add_acq_rel(&lock->writer_wait, (uint32_t)-2) - 2 == 1)
		wait_wake_one(&lock->writer_wait);
}

void rwlock_enter_by_word(struct rwlock *lock, struct rwlock_reader *reader)
{
	/* Both are releases: a sweep that reads either must see the section before this one. */
	u32_store_release(&reader->state, RWLOCK_OUTSIDE);
	rwlock_leave_swept(reader);
	rwlock_count_in(lock);
	u32_store_release(&reader->state, RWLOCK_BY_WORD);
}

void rwlock_leave_swept(struct rwlock_reader *reader)
{
	wait_wake_one(&reader->state);
}

/* Readers that left between the announcement and here have gone below zero. */
static void writer_wait_for_counted(struct rwlock *lock, uint32_t readers,
				    struct handover_wait *wait)
{
	int rounds = 0;
	uint32_t left = u32_add_acq_rel(&lock->writer_wait, 2 * readers) + 2 * readers;

	while (left > 1) {
		uint32_t parked = left | 1;

		if (!wait_look_again(&rounds)) {
			handover_ask(lock->handover, wait);
			if (left == parked || u32_cas_acq_rel(&lock->writer_wait, &left, parked))
				wait_while(&lock->writer_wait, parked);
		}
		left = u32_load_acquire(&lock->writer_wait);
	}
	/* Relaxed: nobody counts down again before the next announcement. */
	u32_store_relaxed(&lock->writer_wait, 0);
}

static void writer_wait_for_flag(struct rwlock *lock, struct rwlock_reader *reader,
				 struct handover_wait *wait)
{
	int rounds = 0;

	while (u32_load_seq_cst(&reader->state) == RWLOCK_BY_FLAG)
		if (!wait_look_again(&rounds)) {
			handover_ask(lock->handover, wait);
			wait_while_briefly(&reader->state, RWLOCK_BY_FLAG);
		}
}

void rwlock_write_lock(struct rwlock *lock)
{
	struct handover_wait wait = {0};
	struct rwlock_reader *reader;
	uint32_t readers;

	mutex_lock(&lock->writers);
	if (lock->kind == RWLOCK_EXCLUSIVE)
		return;
	readers = u32_add_seq_cst(&lock->word, RWLOCK_PHASE) & RWLOCK_READERS;
	if (readers)
		writer_wait_for_counted(lock, readers, &wait);
	announce_meet(lock->plain);
	for (reader = lock->readers; reader; reader = reader->next)
		writer_wait_for_flag(lock, reader, &wait);
	handover_wait_end(lock->handover, &wait);
	u32_store_relaxed(&lock->writer_inside, 1);
}

void rwlock_write_unlock(struct rwlock *lock)
{
	uint32_t turn;

	if (lock->kind != RWLOCK_EXCLUSIVE) {
		u32_store_relaxed(&lock->writer_inside, 0);
		if (u32_add_acq_rel(&lock->word, RWLOCK_PHASE) & RWLOCK_READERS) {
			/* Only the writer advances it; readers make it odd at most. */
			turn = u32_load_relaxed(&lock->turn);
			if (u32_exchange_acq_rel(&lock->turn, (turn | 1) + 1) & 1)
				wait_wake_all(&lock->turn);
		}
	}
	/* Last: the next writer must find the readers counted (F3). */
	mutex_unlock(&lock->writers);
}
