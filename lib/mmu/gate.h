/*
 * The gate: how the checker makes the world stand still
 *
 * Whoever works on a VM's tables, a vCPU for one step of an access or a task of
 * the host from getting its actor to putting it, marks its actor at work. The
 * checker closes the gate and waits until nobody is at work; who comes to a closed
 * gate waits there and holds nothing that others wait for, neither a lock nor a
 * section. Only a VM with `check` has a gate: the mark costs others one branch.
 *
 * Rules
 *   G1  Between gate_close() and gate_open() nothing of the VM changes.
 *   G2  Who is at work never waits for slots_lock, which the closer holds. It is
 *       taken before a task is got.
 *   G3  An open iterator only looks: it is not at work, but names the root that it
 *       has a reference to (mmu_actor.reading).
 *
 * Order: the mark and the look at the gate, the closing and the look at the marks
 * are sequentially consistent, so that one of the two sees the other. Everybody
 * marks a word of its own, so that the gate orders no two vCPUs by itself and hides
 * no race between them. Leaving is a release, opening too.
 */
#ifndef TDPSIM_MMU_GATE_H
#define TDPSIM_MMU_GATE_H

#include "mmu/mmu.h"

void gate_pass(struct mmu_actor *actor);

static inline void gate_enter(struct mmu_actor *actor)
{
	if (__builtin_expect(actor->mmu->check, 0))
		gate_pass(actor);
}

static inline void gate_leave(struct mmu_actor *actor)
{
	if (__builtin_expect(actor->mmu->check, 0))
		u32_store_release(&actor->at_work, 0);
}

/*
 * slots_lock is held and no vCPU is being created. `self` is the closer's own task,
 * which goes on working. Without `check` nothing is done: the caller sees to it that
 * everybody rests.
 */
void gate_close(struct mmu *mmu, const struct mmu_actor *self);
void gate_open(struct mmu *mmu);

#endif
