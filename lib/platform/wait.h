/*
 * Waiting. Every loop that waits for another actor either calls
 * platform_pause() in each round or parks on a word; nothing spins unseen.
 *
 * Parking is exact: wait_while() returns after a wake or when the word no
 * longer holds `value`, and may return early, so callers re-test in a loop.
 *
 * A wake uses the word's address and not its content: it is harmless if the
 * woken actor has already ended what the word lived in.
 */
#ifndef TDPSIM_PLATFORM_WAIT_H
#define TDPSIM_PLATFORM_WAIT_H

#include "platform/atomic.h"

/* The state of one waiting loop; begins zeroed. */
struct waiting {
	unsigned int rounds;
};

/*
 * One round of a retry loop: a CPU hint at first, then the processor is given
 * up, then short sleeps, so that 128 threads on 2 CPUs let the one through
 * that they wait for.
 */
void platform_pause(struct waiting *waiting);
/* The same, but gives the processor up in the first round too. */
void platform_sleep(struct waiting *waiting);

/* Parks while *word == value. */
void wait_while(const atomic_u32 *word, uint32_t value);
/*
 * The same, but comes back within about a millisecond: for a wait whose wake
 * may be missed, because the one who changes the word may not see the waiter.
 */
void wait_while_briefly(const atomic_u32 *word, uint32_t value);
/*
 * Until *word != value, true, or until so many nanoseconds have passed, false: for
 * one who does something from time to time.
 */
bool wait_while_for(const atomic_u32 *word, uint32_t value, uint64_t nanoseconds);
void wait_wake_one(const atomic_u32 *word);
void wait_wake_all(const atomic_u32 *word);
/*
 * For one who is no actor, such as a signal handler, after u32_store_from_outside().
 * In virtual time it wakes nobody: who waits with a limit finds the word changed then.
 */
void wait_wake_all_from_outside(const atomic_u32 *word);

/*
 * A look at a word before parking on it: false once `*rounds` looks (from 0)
 * have been had. An engine in which waiting costs nothing has no such looks.
 */
static inline bool wait_look_again(int *rounds)
{
	if ((*rounds)++ >= ENGINE_SPIN_ROUNDS)
		return false;
	engine_relax();
	return true;
}

#endif
