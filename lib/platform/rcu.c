/*
 * Deferred freeing: finding out what is due
 *
 * A deferred callback is tagged with the epoch. The reclaimer advances the epoch,
 * then takes the oldest epoch that any reader is inside with (its own new one if
 * none is); what has a smaller tag is due. One pass suffices, there are no
 * generations to wait for.
 *
 * Why this is safe. Let a reader hold a pointer to what was unlinked (U) and then
 * deferred (D) with tag t, and let A be an advance to an epoch above t. Tags are
 * read and the epoch is advanced under `queue_lock`, so U happens before A.
 *   - The reader's record shows an epoch above t: at its entry it read an epoch
 *     written by A or a later advance, and by its second load it acquired that.
 *     U happened before its section, so it has no such pointer.
 *   - The record shows t or less: what has tag t is not due.
 *   - The record shows 0, and the section ended: its release store or a later one
 *     of the record was acquired, and the free happens after the section.
 *   - The record shows 0, and the section began later: the read of the record comes
 *     before the reader's announcement in the one order of all sequentially consistent
 *     operations, or the announcement was not yet made at the meeting (announce.h);
 *     hence A comes before the reader's second load, which acquires it or a later
 *     advance: as in the first case.
 *
 * Memory: each RECLAIM_BATCH-th deferral looks for what is due, so that what is not
 * freed is what sections still open hold back, and a batch.
 *
 * Lock order: reclaimer, registry, queue_lock. Callbacks run under `reclaimer`, which
 * is only tried (so a callback that defers does not run callbacks itself).
 *
 * Checked by test_rcu.c.
 */
#include "platform/rcu.h"

#include "platform/check.h"

#define RECLAIM_BATCH 64

void rcu_init(struct rcu *rcu, void *context)
{
	u64_init(&rcu->epoch, 1);
	rcu->plain = announce_plainly();
	rcu->handover = NULL;
	mutex_init(&rcu->registry);
	rcu->readers = NULL;
	spinlock_init(&rcu->queue_lock);
	rcu->queue_first = NULL;
	rcu->queue_last = &rcu->queue_first;
	u64_init(&rcu->deferred, 0);
	u64_init(&rcu->done, 0);
	mutex_init(&rcu->reclaimer);
	rcu->context = context;
}

void rcu_fini(struct rcu *rcu)
{
	CHECK(!rcu->readers);
	while (rcu->queue_first)
		rcu_barrier(rcu);
}

void rcu_register(struct rcu *rcu, struct rcu_reader *reader)
{
	u64_init(&reader->epoch, 0);
	reader->nesting = 0;
	mutex_lock(&rcu->registry);
	reader->next = rcu->readers;
	rcu->readers = reader;
	mutex_unlock(&rcu->registry);
}

void rcu_unregister(struct rcu *rcu, struct rcu_reader *reader)
{
	struct rcu_reader **link = &rcu->readers;

	CHECK(!rcu_inside(reader));
	mutex_lock(&rcu->registry);
	while (*link != reader) {
		CHECK(*link);
		link = &(*link)->next;
	}
	*link = reader->next;
	mutex_unlock(&rcu->registry);
}

static uint64_t advance(struct rcu *rcu)
{
	uint64_t epoch;

	spinlock_lock(&rcu->queue_lock);
	epoch = u64_add_seq_cst(&rcu->epoch, 1) + 1;
	spinlock_unlock(&rcu->queue_lock);
	announce_meet(rcu->plain);
	return epoch;
}

/* The oldest epoch that a reader is inside with, or `epoch` if none is older. */
static uint64_t oldest_section(struct rcu *rcu, uint64_t epoch)
{
	struct rcu_reader *reader;

	mutex_lock(&rcu->registry);
	for (reader = rcu->readers; reader; reader = reader->next) {
		uint64_t word = u64_load_seq_cst(&reader->epoch);

		if (word && word / 2 < epoch)
			epoch = word / 2;
	}
	mutex_unlock(&rcu->registry);
	return epoch;
}

/* Unlinks the front of the queue up to, and without, tag `epoch`. */
static struct rcu_head *take_older(struct rcu *rcu, uint64_t epoch)
{
	struct rcu_head *first, **link;

	spinlock_lock(&rcu->queue_lock);
	first = rcu->queue_first;
	for (link = &rcu->queue_first; *link && (*link)->epoch < epoch;)
		link = &(*link)->next;
	if (link == &rcu->queue_first) {
		first = NULL;
	} else {
		rcu->queue_first = *link;
		if (!rcu->queue_first)
			rcu->queue_last = &rcu->queue_first;
		*link = NULL;
	}
	spinlock_unlock(&rcu->queue_lock);
	return first;
}

static void run(struct rcu *rcu, struct rcu_head *head)
{
	while (head) {
		struct rcu_head *next = head->next;

		head->release(head, rcu->context);
		/* Release: whoever sees it done sees what it did. */
		u64_store_release(&rcu->done, u64_load_relaxed(&rcu->done) + 1);
		head = next;
	}
}

void rcu_poll(struct rcu *rcu)
{
	/* Relaxed: a hint, late at worst; the caller's own deferrals are seen. */
	if (u64_load_relaxed(&rcu->deferred) == u64_load_relaxed(&rcu->done))
		return;
	if (!mutex_trylock(&rcu->reclaimer))
		return;
	run(rcu, take_older(rcu, oldest_section(rcu, advance(rcu))));
	mutex_unlock(&rcu->reclaimer);
}

void rcu_defer(struct rcu *rcu, struct rcu_head *head,
	       void (*release)(struct rcu_head *head, void *context))
{
	uint64_t before;

	head->next = NULL;
	head->release = release;
	spinlock_lock(&rcu->queue_lock);
	/* Relaxed: advances are ordered by the lock. */
	head->epoch = u64_load_relaxed(&rcu->epoch);
	*rcu->queue_last = head;
	rcu->queue_last = &head->next;
	before = u64_add_relaxed(&rcu->deferred, 1);
	spinlock_unlock(&rcu->queue_lock);
	if (before % RECLAIM_BATCH == RECLAIM_BATCH - 1)
		rcu_poll(rcu);
}

void rcu_synchronize(struct rcu *rcu)
{
	uint64_t epoch = advance(rcu);
	struct handover_wait wait = {0};

	while (oldest_section(rcu, epoch) < epoch)
		handover_pause(rcu->handover, &wait);
	handover_wait_end(rcu->handover, &wait);
}

void rcu_barrier(struct rcu *rcu)
{
	/* Relaxed: what was deferred before the call is ordered before it. */
	uint64_t goal = u64_load_relaxed(&rcu->deferred);
	struct handover_wait wait = {0};

	rcu_poll(rcu);
	while (u64_load_acquire(&rcu->done) < goal) {
		handover_pause(rcu->handover, &wait);
		rcu_poll(rcu);
	}
	handover_wait_end(rcu->handover, &wait);
}
