/*
 * Handover: running vCPUs give their CPUs to a thread that another actor waits for
 *
 * With more threads than CPUs, the thread that a waiter waits for may have been preempted where it
 * is: inside guest mode, inside an RCU section, as a reader of a lock. The host's scheduler runs it
 * again when the others have used up their time slices, some milliseconds each. A vCPU whose
 * accesses all hit its TLB uses up every slice, because it never waits.
 *
 * Members are the actors that run so: vCPUs. A waiter that has spun without success requests a
 * handover: it sets a bit in a word of each member. A member tests that word before each access
 * anyway; if it finds the bit it sleeps in handover_give(), where it holds nothing that another
 * actor waits for. Meanwhile the CPUs run the preempted threads, each until its own next access. So
 * the wait costs one switch of threads for each of them and no time slice.
 *
 * Natively nobody wakes a sleeping member: it sleeps as long as the switches of threads take that a
 * wait may need. If all woke when the wait ends, they would preempt the very thread that had
 * waited, which would then need a time slice of each of them before it goes on to its next wait.
 *
 * Promises
 *   H1  The awaited thread gets a CPU once each member has reached its next access.
 *   H2  A member sleeps for at most ENGINE_HANDOVER_NS times the number of members, and then makes
 *       an access before it sleeps again, so members make progress however often a handover is
 *       requested.
 *   H3  Only speed depends on a handover: a member that misses the bit or comes back early does
 *       what it would do without. So no deadlock can involve a sleeping member.
 *
 * Where every actor has a CPU, the awaited thread has not been preempted, and no handover is
 * requested. In virtual time each actor has a processor of its own; only under a schedule, which
 * preempts actors anywhere, is a handover of use, and it is explored there.
 *
 * Order: read-modify-writes of the member's word set and clear the bit. A member reads `asked`
 * after it cleared the bit (acquire), so it finds the waiter counted. It reads `ended` after
 * `asked`, so a difference means a wait that has not ended, unless others have begun and ended in
 * between; then it does not sleep, which H3 allows. Both counters may wrap; their difference stays
 * far below 2^31.
 */
#ifndef TDPSIM_PLATFORM_HANDOVER_H
#define TDPSIM_PLATFORM_HANDOVER_H

#include "platform/lock.h"

struct handover_member {
	atomic_u32 *word; /* immutable once joined */
	uint32_t bit;	  /* likewise */
	struct handover_member *next;
};

struct handover {
	struct spinlock lock;
	struct handover_member *members; /* under `lock` */
	atomic_u32 member_count;	 /* written under `lock`; relaxed, a hint for readers */
	/*
	 * Waits that requested a handover, and how many of them have ended. Added to by the
	 * waiters, acquire-release (order above); on a line of their own, which only members read
	 * that have found their bit.
	 */
	_Alignas(CACHE_LINE) atomic_u32 asked;
	atomic_u32 ended;
};

/* The state of one wait, for one actor or several in turn; begins zeroed. */
struct handover_wait {
	struct waiting waiting;
	bool asked;
};

void handover_init(struct handover *handover);
void handover_fini(struct handover *handover);

void handover_join(struct handover *handover, struct handover_member *member, atomic_u32 *word,
		   uint32_t bit);
void handover_quit(struct handover *handover, struct handover_member *member);

/*
 * One round of a wait, as platform_pause(); requests a handover after some rounds in vain.
 * `handover` may be NULL: none is requested. handover_wait_end() follows the last round.
 */
void handover_pause(struct handover *handover, struct handover_wait *wait);
void handover_wait_end(struct handover *handover, struct handover_wait *wait);

/* A wait for the next actor begins: spin again before sleeping. */
static inline void handover_wait_next(struct handover_wait *wait)
{
	wait->waiting.rounds = 0;
}

/*
 * The same for a waiter that parks on a word, to be called before it parks. If a handover was
 * requested, handover_wait_end() must follow.
 */
void handover_ask(struct handover *handover, struct handover_wait *wait);

/* Lets other threads have the CPU of a member that found its bit and has cleared it. */
void handover_give(struct handover *handover);

#endif
