/*
 * Waiting on the host's kernel: a parked thread sleeps in futex(2) on the word
 * itself, which the kernel compares once more before it lets the thread sleep.
 */
#include "platform/wait.h"
#include "platform/clock.h"

#include <errno.h>
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

#define NS_PER_S 1000000000u

/* Saturates: a limit that no clock reaches. */
static struct timespec moment_after(uint64_t nanoseconds)
{
	uint64_t now = clock_now();
	uint64_t end = nanoseconds > INT64_MAX - now ? INT64_MAX : now + nanoseconds;

	return (struct timespec){(time_t)(end / NS_PER_S), (long)(end % NS_PER_S)};
}

/* The limit is a moment and no length, so that signals do not put it off. */
bool wait_while_for(const atomic_u32 *word, uint32_t value, uint64_t nanoseconds)
{
	const struct timespec end = moment_after(nanoseconds);

	while (u32_load_acquire(word) == value) {
		long err = syscall(SYS_futex, &word->word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
				   value, &end, NULL, FUTEX_BITSET_MATCH_ANY);

		if (err && errno == ETIMEDOUT)
			return u32_load_acquire(word) != value;
	}
	return true;
}

void wait_wake_one(const atomic_u32 *word)
{
	futex(word, FUTEX_WAKE, 1, NULL);
}

void wait_wake_all(const atomic_u32 *word)
{
	futex(word, FUTEX_WAKE, INT32_MAX, NULL);
}

/* futex(2) may be called in a signal handler; errno is whose work was interrupted. */
void wait_wake_all_from_outside(const atomic_u32 *word)
{
	int interrupted = errno;

	wait_wake_all(word);
	errno = interrupted;
}

/* Doubles from 20 us to 1.28 ms: whoever waits this long waits for a whole job. */
static void pause_asleep(unsigned int sleeps)
{
	unsigned int doublings = sleeps < PAUSE_DOUBLINGS ? sleeps : PAUSE_DOUBLINGS;
	const struct timespec length = {.tv_nsec = PAUSE_SHORTEST_NS << doublings};

	nanosleep(&length, NULL);
}

void platform_sleep(struct waiting *waiting)
{
	pause_asleep(waiting->rounds++);
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
