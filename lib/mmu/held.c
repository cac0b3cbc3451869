/* Yielding while mmu_lock is held. See held.h. */
#include "mmu/held.h"

#include "mmu/flush.h"
#include "platform/actor.h"

static void lock_again(struct mmu_held held)
{
	if (held.exclusive)
		mmu_lock_exclusive(held.actor);
	else
		mmu_lock_shared(held.actor);
}

void mmu_unlock(struct mmu_held held)
{
	if (held.exclusive)
		mmu_unlock_exclusive((struct mmu_exclusive){held});
	else
		mmu_unlock_shared((struct mmu_shared){held});
}

void mmu_leave(struct mmu_held held)
{
	mmu_read_end(held.actor);
	mmu_unlock(held);
}

void mmu_come_back(struct mmu_held held)
{
	lock_again(held);
	mmu_read_begin(held.actor);
}

static bool wanted(const struct mmu_actor *actor)
{
	return rwlock_contended(&actor->mmu->lock) || actor_should_yield();
}

bool mmu_give_way(struct mmu_held held, bool *flush)
{
	struct mmu_actor *actor = held.actor;

	if (!wanted(actor))
		return false;
	if (*flush)
		mmu_flush_all(actor);
	*flush = false;
	mmu_leave(held);
	actor_yield();
	mmu_come_back(held);
	return true;
}

bool mmu_should_yield(struct mmu_held held, const struct iter *iter)
{
	return iter_may_yield(iter) && wanted(held.actor);
}

bool mmu_yield(struct mmu_held held, struct iter *iter, bool *flush)
{
	if (!iter_may_yield(iter) || !mmu_give_way(held, flush))
		return false;
	iter_set_yielded(iter);
	return true;
}
