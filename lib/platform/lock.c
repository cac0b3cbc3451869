/*
 * The waiting half of the locks
 *
 * Spinlock. The word is 2 while a waiter may be parked, so that only such an unlock makes
 * the system call to wake. A waiter that was parked takes the lock as 2, because it cannot
 * know whether it was the only one.
 *
 * Mutex. It works like the spinlock, but after MUTEX_PATIENCE lost attempts a waiter
 * declares itself starving (one waiter at a time). The unlock then leaves the mutex held
 * and grants it. The grant is a token. The unlock clears STARVING before it stores the
 * token, so a second waiter may declare itself in between, and take the token. The second
 * waiter then has the mutex, and the first waits for the next token, for which STARVING is
 * still set.
 *
 * Checked by test_platform_mutex.c.
 */
#include "platform/lock.h"

#include "platform/check.h"

void spinlock_wait(struct spinlock *lock)
{
	int rounds = 0;
	uint32_t word;

	do {
		word = 0;
		if (!u32_load_relaxed(&lock->word) && u32_cas_acq_rel(&lock->word, &word, 1))
			return;
	} while (wait_look_again(&rounds));
	while (u32_exchange_acq_rel(&lock->word, 2) != 0)
		wait_while(&lock->word, 2);
}

static void mutex_wait_for_grant(struct mutex *mutex)
{
	int rounds = 0;

	for (;;) {
		if (u32_load_relaxed(&mutex->grant) && u32_exchange_acq_rel(&mutex->grant, 0))
			return;
		if (!wait_look_again(&rounds))
			wait_while(&mutex->grant, 0);
	}
}

void mutex_wait(struct mutex *mutex)
{
	unsigned int defeats = 0;
	int rounds = 0;

	for (;;) {
		uint32_t word = u32_load_relaxed(&mutex->word);
		uint32_t parked = word | MUTEX_PARKED;

		if (!word) {
			if (u32_cas_acq_rel(&mutex->word, &word,
					    defeats ? MUTEX_HELD | MUTEX_PARKED : MUTEX_HELD))
				return;
		} else if (wait_look_again(&rounds)) {
			continue;
		} else if (defeats >= MUTEX_PATIENCE && !(word & MUTEX_STARVING)) {
			if (u32_cas_acq_rel(&mutex->word, &word, parked | MUTEX_STARVING)) {
				mutex_wait_for_grant(mutex);
				return;
			}
		} else if (word == parked || u32_cas_acq_rel(&mutex->word, &word, parked)) {
			wait_while(&mutex->word, parked);
			defeats++;
			rounds = 0;
		}
	}
}

/*
 * The release does not touch the mutex after the operation that lets the next holder in,
 * because that holder may destroy the mutex. A granted waiter cannot leave before the token
 * is stored.
 */
void mutex_release(struct mutex *mutex)
{
	uint32_t word = u32_load_relaxed(&mutex->word);

	for (;;) {
		if (word & MUTEX_STARVING) {
			if (!u32_cas_acq_rel(&mutex->word, &word, word & ~MUTEX_STARVING))
				continue;
			u32_store_release(&mutex->grant, 1);
			wait_wake_one(&mutex->grant);
			return;
		}
		if (u32_cas_acq_rel(&mutex->word, &word, 0)) {
			CHECK(word & MUTEX_HELD);
			if (word & MUTEX_PARKED)
				wait_wake_one(&mutex->word);
			return;
		}
	}
}
