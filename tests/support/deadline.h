/*
 * Waiting in tests. Every wait of an actor has a deadline, which only a broken library reaches, so
 * that a test fails and does not hang.
 */
#ifndef TDPSIM_TESTS_DEADLINE_H
#define TDPSIM_TESTS_DEADLINE_H

#include <tdpsim/run.h>

#include "platform/atomic.h"

#define DEADLINE_NS 1500000000ull
#define MOMENT_NS   5000000ull /* long enough for a waiting thread to be parked */

struct deadline {
	uint64_t end;
	unsigned int rounds;
};

static inline struct deadline deadline_begin(void)
{
	return (struct deadline){.end = tdp_clock_now() + DEADLINE_NS};
}

/* One round of waiting; false once the deadline has passed. */
static inline bool deadline_wait(struct deadline *deadline)
{
	tdp_pause(&deadline->rounds);
	return tdp_clock_now() < deadline->end;
}

/* Waits until the word is at least `value`; false if the deadline passes first. */
static inline bool reached(const atomic_u32 *word, uint32_t value)
{
	struct deadline deadline = deadline_begin();

	while (u32_load_acquire(word) < value)
		if (!deadline_wait(&deadline))
			return false;
	return true;
}

static inline void let_a_moment_pass(void)
{
	uint64_t end = tdp_clock_now() + MOMENT_NS;
	unsigned int rounds = 0;

	while (tdp_clock_now() < end)
		tdp_pause(&rounds);
}

#endif
