/*
 * Locks: waiting for them
 *
 * Spinlock. The word is 2 while somebody may be parked, so that only such an
 * unlock makes the call to wake. Whoever was parked takes the lock as 2: it
 * cannot know whether it was the only one.
 *
 * Mutex. As the spinlock, but after MUTEX_PATIENCE defeats a waiter declares
 * itself hungry (one at a time). Unlocking then leaves the lock held and grants
 * it. Grant is a token: HUNGRY is cleared first, so another waiter may declare
 * itself before the token is there and take it; then it has the lock and the
 * first waits for the next token, for which HUNGRY is still set.
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
		} else if (defeats >= MUTEX_PATIENCE && !(word & MUTEX_HUNGRY)) {
			if (u32_cas_acq_rel(&mutex->word, &word, parked | MUTEX_HUNGRY)) {
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
 * Nothing of the mutex is touched after the operation that lets the next one in,
 * who may end it: a granted waiter cannot leave before the token is stored.
 */
void mutex_release(struct mutex *mutex)
{
	uint32_t word = u32_load_relaxed(&mutex->word);

	for (;;) {
		if (word & MUTEX_HUNGRY) {
			if (!u32_cas_acq_rel(&mutex->word, &word, word & ~MUTEX_HUNGRY))
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
