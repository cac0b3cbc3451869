/*
 * The queue of actors that may act, ordered by clock, then by index.
 *
 * It has two parts. Actors whose clocks are less than TURNS_NEAR ticks ahead are in a ring
 * of bit sets, one set for each tick. Most events take few ticks, so most operations only
 * set a bit or find the next one. Actors further ahead are in a tournament tree: a leaf for
 * each actor, in their order; each inner node holds the smaller of the two clocks below it,
 * the left one if they are equal. A new clock changes only its actor's path to the root.
 *
 * `now` is the clock of the actor taken last, and no actor is put in with an earlier clock.
 * So the ring covers [now, now + TURNS_NEAR), each tick has a set of its own, and no actor
 * ever moves from one part to the other.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_TURNS_H
#define TDPSIM_PLATFORM_VIRTUAL_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TURN_NEVER (UINT64_MAX / 2) /* adding a duration to it does not overflow */
#define TURNS_NEAR 64

struct turn {
	uint64_t clock;
	uint64_t index;
};

/* The actors of one tick; its bits are words[tick * width] and on. */
struct tick {
	uint32_t count;
	uint32_t first; /* no word before this one has a bit set */
};

struct turns {
	uint64_t now;
	uint64_t occupied; /* bit i: ring[i].count > 0 */
	struct tick ring[TURNS_NEAR];
	uint64_t *words;
	size_t width; /* words of a tick */

	struct turn *nodes; /* [1] is the root, [leaves + i] is actor i */
	size_t leaves;	    /* a power of two */
};

/* Makes an empty queue whose actors will act at `now` or later. -ENOMEM. */
int turns_init(struct turns *turns, size_t count, uint64_t now);
void turns_fini(struct turns *turns);

/* For the functions below. */
void turns_set_far(struct turns *turns, size_t index, uint64_t clock);

static inline void turns_put(struct turns *turns, size_t index, uint64_t clock)
{
	size_t slot = clock % TURNS_NEAR, word = index / 64;
	struct tick *tick = &turns->ring[slot];

	if (__builtin_expect(clock - turns->now >= TURNS_NEAR, 0)) {
		turns_set_far(turns, index, clock);
		return;
	}
	turns->words[slot * turns->width + word] |= (uint64_t)1 << index % 64;
	if (!tick->count++ || word < tick->first)
		tick->first = (uint32_t)word;
	turns->occupied |= (uint64_t)1 << slot;
}

static inline void turns_clear_near(struct turns *turns, size_t index, uint64_t clock)
{
	size_t slot = clock % TURNS_NEAR;

	turns->words[slot * turns->width + index / 64] &= ~((uint64_t)1 << index % 64);
	if (!--turns->ring[slot].count)
		turns->occupied &= ~((uint64_t)1 << slot);
}

/* The smallest clock in the ring; TURN_NEVER if it is empty. */
static inline struct turn turns_first_near(struct turns *turns)
{
	unsigned int shift = turns->now % TURNS_NEAR;
	uint64_t ahead = turns->occupied >> shift | turns->occupied << (-shift % TURNS_NEAR), clock;
	const uint64_t *words;
	struct tick *tick;

	if (!ahead)
		return (struct turn){TURN_NEVER, 0};
	clock = turns->now + (uint64_t)__builtin_ctzll(ahead);
	tick = &turns->ring[clock % TURNS_NEAR];
	words = &turns->words[clock % TURNS_NEAR * turns->width];
	while (!words[tick->first])
		tick->first++;
	return (struct turn){clock,
			     tick->first * 64 + (uint64_t)__builtin_ctzll(words[tick->first])};
}

static inline bool turn_is_before(struct turn a, struct turn b)
{
	return a.clock < b.clock || (a.clock == b.clock && a.index < b.index);
}

/* The clock at which another actor than `index` becomes due. */
static inline uint64_t turns_deadline(struct turns *turns, size_t index)
{
	struct turn near = turns_first_near(turns), far = turns->nodes[1];
	uint64_t due_near = near.clock + (index < near.index);
	uint64_t due_far = far.clock + (index < far.index);

	return due_near < due_far ? due_near : due_far;
}

/*
 * Takes the first actor out of the queue, and stores when the next one becomes due. The
 * clock is TURN_NEVER if the queue is empty.
 */
__attribute__((always_inline)) static inline struct turn turns_take(struct turns *turns,
								    uint64_t *deadline)
{
	struct turn first = turns_first_near(turns), far = turns->nodes[1];

	if (__builtin_expect(turn_is_before(far, first), 0)) {
		first = far;
		turns_set_far(turns, far.index, TURN_NEVER);
	} else if (__builtin_expect(first.clock == TURN_NEVER, 0)) {
		return first;
	} else {
		turns_clear_near(turns, first.index, first.clock);
	}
	turns->now = first.clock;
	/* Actors that remain at this tick have larger indices. */
	*deadline = turns->ring[first.clock % TURNS_NEAR].count
			    ? first.clock + 1
			    : turns_deadline(turns, first.index);
	return first;
}

/* A hint: the actor that is probably taken next; `index` if that is not cheap to know. */
static inline size_t turns_guess(const struct turns *turns, size_t index)
{
	size_t slot = turns->now % TURNS_NEAR, word = turns->ring[slot].first;
	uint64_t bits = turns->words[slot * turns->width + word];

	return bits ? word * 64 + (size_t)__builtin_ctzll(bits) : index;
}

/* Removes an actor that was put in with `clock`. */
void turns_remove(struct turns *turns, size_t index, uint64_t clock);

#endif
