/* Giving way while mmu_lock is held. See held.h. */
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

static void unlock(struct mmu_held held)
{
	if (held.exclusive)
		mmu_unlock_exclusive((struct mmu_exclusive){held});
	else
		mmu_unlock_shared((struct mmu_shared){held});
}

bool mmu_yield(struct mmu_held held, struct iter *iter, bool *flush)
{
	struct mmu_actor *actor = held.actor;

	if (!iter_may_yield(iter))
		return false;
	if (!rwlock_contended(&actor->mmu->lock) && !actor_should_yield())
		return false;
	if (*flush)
		mmu_flush_all(actor);
	*flush = false;
	mmu_read_end(actor);
	unlock(held);
	actor_yield();
	lock_again(held);
	mmu_read_begin(actor);
	iter_set_yielded(iter);
	return true;
}
