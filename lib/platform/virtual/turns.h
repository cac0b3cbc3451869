/*
 * Whose turn it is: a tournament of clocks. Each actor has a leaf, in the order
 * of the actors; each node above holds the smaller of the two clocks below it,
 * the left one if they are equal, so that the actor with the smaller index goes
 * first. An actor's new clock is played up its path alone.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_TURNS_H
#define TDPSIM_PLATFORM_VIRTUAL_TURNS_H

#include <stddef.h>
#include <stdint.h>

/* The clock of an actor who is not runnable. Room above it: one may be added. */
#define TURN_NEVER (UINT64_MAX / 2)

struct turn {
	uint64_t clock;
	uint64_t index;
};

struct turns {
	struct turn *nodes; /* [1] is the winner, [leaves + i] actor i */
	size_t leaves;	    /* a power of two */
};

/* All begin as TURN_NEVER. -ENOMEM. */
int turns_init(struct turns *turns, size_t count);
void turns_fini(struct turns *turns);

static inline void turns_set(struct turns *turns, size_t index, uint64_t clock)
{
	struct turn winner = {clock, index};
	struct turn *nodes = turns->nodes;
	size_t at = turns->leaves + index;

	nodes[at] = winner;
	for (; at > 1; at /= 2) {
		const struct turn *other = &nodes[at ^ 1];
		/* A right node loses to an equal one. */
		int loses = other->clock < winner.clock + (at & 1);

		winner.clock = loses ? other->clock : winner.clock;
		winner.index = loses ? other->index : winner.index;
		nodes[at / 2] = winner;
	}
}

static inline struct turn turns_first(const struct turns *turns)
{
	return turns->nodes[1];
}

/* The clock at which it is no longer the turn of `index`, were it ever so early now. */
static inline uint64_t turns_deadline(const struct turns *turns, size_t index)
{
	uint64_t deadline = TURN_NEVER;
	size_t at = turns->leaves + index;

	for (; at > 1; at /= 2) {
		/* Before an equal one on the right it still goes first. */
		uint64_t due = turns->nodes[at ^ 1].clock + !(at & 1);

		deadline = due < deadline ? due : deadline;
	}
	return deadline;
}

#endif
