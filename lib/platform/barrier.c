/*
 * Barriers: a counter under a mutex, and a generation to park on.
 *
 * The party that completes a round unlocks before it opens the next generation, and then
 * touches the barrier no more, because the first party to leave may destroy it. No other
 * party can arrive in between: all are here.
 */
#include <errno.h>
#include <stdlib.h>

#include "platform/actor.h"
#include "platform/check.h"
#include "platform/lock.h"

struct barrier {
	struct mutex lock;
	size_t parties, arrived; /* under lock */
	/* Completed rounds. The completing party advances it, with release. */
	atomic_u32 generation;
};

int barrier_create(size_t count, struct barrier **result)
{
	struct barrier *barrier = calloc(1, sizeof(*barrier));

	if (!barrier)
		return -ENOMEM;
	mutex_init(&barrier->lock);
	barrier->parties = count;
	u32_init(&barrier->generation, 0);
	*result = barrier;
	return 0;
}

void barrier_destroy(struct barrier *barrier)
{
	if (barrier)
		CHECK(!barrier->arrived);
	free(barrier);
}

/* Releases the lock, which the caller holds. */
static void complete_or_unlock(struct barrier *barrier)
{
	bool complete = barrier->arrived && barrier->arrived == barrier->parties;

	if (complete)
		barrier->arrived = 0;
	mutex_unlock(&barrier->lock);
	if (complete) {
		u32_add_acq_rel(&barrier->generation, 1);
		wait_wake_all(&barrier->generation);
	}
}

void barrier_wait(struct barrier *barrier)
{
	uint32_t generation;
	int rounds = 0;

	mutex_lock(&barrier->lock);
	/* Relaxed: it cannot advance before this party has arrived. */
	generation = u32_load_relaxed(&barrier->generation);
	CHECK(barrier->arrived < barrier->parties);
	barrier->arrived++;
	complete_or_unlock(barrier);
	while (u32_load_acquire(&barrier->generation) == generation)
		if (!wait_look_again(&rounds))
			wait_while(&barrier->generation, generation);
}

void barrier_leave(struct barrier *barrier)
{
	mutex_lock(&barrier->lock);
	CHECK(barrier->arrived < barrier->parties);
	barrier->parties--;
	complete_or_unlock(barrier);
}
