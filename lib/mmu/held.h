/*
 * Proof that mmu_lock is held. Only the functions here make one; a function that
 * needs the lock takes the proof, in the mode that it needs.
 */
#ifndef TDPSIM_MMU_HELD_H
#define TDPSIM_MMU_HELD_H

#include "mmu/mmu.h"

/* In one mode or the other. */
struct mmu_held {
	struct mmu_actor *actor;
	bool exclusive;
};

struct mmu_shared {
	struct mmu_held held;
};

struct mmu_exclusive {
	struct mmu_held held;
};

/* These two always inline: every fault takes the lock. */
__attribute__((always_inline)) static inline struct mmu_shared mmu_lock_shared(
	struct mmu_actor *actor)
{
	if (actor->lock_reader)
		rwlock_flag_in(&actor->mmu->lock, actor->lock_reader);
	else
		rwlock_read_lock(&actor->mmu->lock, NULL);
	return (struct mmu_shared){{actor, false}};
}

__attribute__((always_inline)) static inline void mmu_unlock_shared(struct mmu_shared shared)
{
	struct mmu_actor *actor = shared.held.actor;

	if (actor->lock_reader)
		rwlock_flag_out(&actor->mmu->lock, actor->lock_reader);
	else
		rwlock_read_unlock(&actor->mmu->lock, NULL);
}

static inline struct mmu_exclusive mmu_lock_exclusive(struct mmu_actor *actor)
{
	rwlock_write_lock(&actor->mmu->lock);
	return (struct mmu_exclusive){{actor, true}};
}

static inline void mmu_unlock_exclusive(struct mmu_exclusive exclusive)
{
	rwlock_write_unlock(&exclusive.held.actor->mmu->lock);
}

/* RCU sections, in which tables stay. */
static inline void mmu_read_begin(struct mmu_actor *actor)
{
	host_read_begin(&actor->caller);
}

static inline void mmu_read_end(struct mmu_actor *actor)
{
	host_read_end(&actor->caller);
}

/* In either mode. */
void mmu_unlock(struct mmu_held held);

/*
 * Leaves the RCU section and drops mmu_lock, for work that may not be done inside, and takes both
 * again in the same mode. No flush may be owed. A walker restarts its walk.
 */
void mmu_leave(struct mmu_held held);
void mmu_come_back(struct mmu_held held);

/*
 * Yields if another actor waits for mmu_lock: makes the flush that is owed, leaves the RCU section,
 * drops the lock and takes it again in the same mode. Returns true then: nothing that was found
 * before is certain to exist. Clears *flush.
 */
bool mmu_give_way(struct mmu_held held, bool *flush);

/*
 * The same in a walk, but only if the walk has made progress (P2 of iter.h). True: the caller
 * continues with iter_next().
 */
bool mmu_yield(struct mmu_held held, struct iter *iter, bool *flush);

/* Would mmu_yield() yield now? */
bool mmu_should_yield(struct mmu_held held, const struct iter *iter);

#endif
