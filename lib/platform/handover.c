/* Handover: requesting it, and sleeping for the waiter's sake. See handover.h. */
#include "platform/handover.h"

#include "platform/actor.h"
#include "platform/check.h"

/* A member whose sleep was shorter than the wait gets the request again. */
#define ROUNDS_BETWEEN_ASKS 32

void handover_init(struct handover *handover)
{
	spinlock_init(&handover->lock);
	handover->members = NULL;
	u32_init(&handover->member_count, 0);
	u32_init(&handover->asked, 0);
	u32_init(&handover->ended, 0);
}

void handover_fini(struct handover *handover)
{
	CHECK(!handover->members);
	CHECK(u32_load_relaxed(&handover->asked) == u32_load_relaxed(&handover->ended));
}

void handover_join(struct handover *handover, struct handover_member *member, atomic_u32 *word,
		   uint32_t bit)
{
	member->word = word;
	member->bit = bit;
	spinlock_lock(&handover->lock);
	member->next = handover->members;
	handover->members = member;
	u32_add_relaxed(&handover->member_count, 1);
	spinlock_unlock(&handover->lock);
}

void handover_quit(struct handover *handover, struct handover_member *member)
{
	struct handover_member **link = &handover->members;

	spinlock_lock(&handover->lock);
	while (*link != member) {
		CHECK(*link);
		link = &(*link)->next;
	}
	*link = member->next;
	u32_add_relaxed(&handover->member_count, (uint32_t)-1);
	spinlock_unlock(&handover->lock);
}

static void set_bits(struct handover *handover)
{
	struct handover_member *member;

	spinlock_lock(&handover->lock);
	for (member = handover->members; member; member = member->next)
		/* Relaxed: the load decides only whether the line has to be written. */
		if (!(u32_load_relaxed(member->word) & member->bit))
			u32_or_acq_rel(member->word, member->bit);
	spinlock_unlock(&handover->lock);
}

/* Fewer CPUs than members and the waiter? Relaxed: an old count costs a needless request. */
static bool crowded(const struct handover *handover)
{
	unsigned int cpus = actor_cpus();

	return cpus != ACTOR_CPU_EACH && u32_load_relaxed(&handover->member_count) >= cpus;
}

void handover_ask(struct handover *handover, struct handover_wait *wait)
{
	if (!handover || wait->asked || !crowded(handover))
		return;
	wait->asked = true;
	/* Before the bits: a member that finds its bit finds this wait counted. */
	u32_add_acq_rel(&handover->asked, 1);
	set_bits(handover);
}

void handover_pause(struct handover *handover, struct handover_wait *wait)
{
	unsigned int round = wait->waiting.rounds;

	if (wait->asked) {
		if (round && round % ROUNDS_BETWEEN_ASKS == 0)
			set_bits(handover);
		platform_sleep(&wait->waiting);
		return;
	}
	platform_pause(&wait->waiting);
	if (round == ENGINE_ROUNDS_BEFORE_HANDOVER) {
		handover_ask(handover, wait);
		if (wait->asked)
			handover_wait_next(wait);
	}
}

void handover_wait_end(struct handover *handover, struct handover_wait *wait)
{
	if (!wait->asked)
		return;
	wait->asked = false;
	u32_add_acq_rel(&handover->ended, 1);
	if (ENGINE_HANDOVER_WAKES)
		wait_wake_all(&handover->ended);
}

void handover_give(struct handover *handover)
{
	uint32_t asked = u32_load_acquire(&handover->asked);
	uint32_t ended = u32_load_acquire(&handover->ended);
	/* Relaxed: only the length of the sleep depends on it. */
	uint64_t members = u32_load_relaxed(&handover->member_count);

	if ((int32_t)(asked - ended) > 0)
		wait_while_for(&handover->ended, ended, members * ENGINE_HANDOVER_NS);
}
