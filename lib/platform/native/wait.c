/*
 * Waiting on the host's kernel: a parked thread sleeps in futex(2) on the word
 * itself, which the kernel compares once more before it lets the thread sleep.
 */
#include "platform/wait.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(atomic_u32) == 4, "a futex is 32 bits wide");

#define PAUSE_RELAX_ROUNDS 64
#define PAUSE_YIELD_ROUNDS 16
#define PAUSE_SHORTEST_NS  20000L
#define PAUSE_DOUBLINGS	   6
#define BRIEFLY_NS	   1000000L

/*
 * What the call returns says nothing that the caller's next test of the word
 * would not: a wake, a changed value, a signal and a timeout are all "look again".
 */
static void futex(const atomic_u32 *word, int operation, uint32_t value,
		  const struct timespec *timeout)
{
	syscall(SYS_futex, &word->word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

void wait_while(const atomic_u32 *word, uint32_t value)
{
	futex(word, FUTEX_WAIT, value, NULL);
}

void wait_while_briefly(const atomic_u32 *word, uint32_t value)
{
	const struct timespec timeout = {.tv_nsec = BRIEFLY_NS};

	futex(word, FUTEX_WAIT, value, &timeout);
}

void wait_wake_one(const atomic_u32 *word)
{
	futex(word, FUTEX_WAKE, 1, NULL);
}

void wait_wake_all(const atomic_u32 *word)
{
	futex(word, FUTEX_WAKE, INT32_MAX, NULL);
}

/* Doubles from 20 us to 1.28 ms: whoever waits this long waits for a whole job. */
static void pause_asleep(unsigned int sleeps)
{
	unsigned int doublings = sleeps < PAUSE_DOUBLINGS ? sleeps : PAUSE_DOUBLINGS;
	const struct timespec length = {.tv_nsec = PAUSE_SHORTEST_NS << doublings};

	nanosleep(&length, NULL);
}

void platform_pause(struct waiting *waiting)
{
	unsigned int round = waiting->rounds++;

	if (round < PAUSE_RELAX_ROUNDS)
		engine_relax();
	else if (round < PAUSE_RELAX_ROUNDS + PAUSE_YIELD_ROUNDS)
		sched_yield();
	else
		pause_asleep(round - PAUSE_RELAX_ROUNDS - PAUSE_YIELD_ROUNDS);
}
