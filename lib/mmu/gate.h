/*
 * The gate: how the checker stops all other work on a VM's tables
 *
 * An actor that works on the tables marks itself at work: a vCPU for one step of an access, a task
 * from mmu_task_get() to mmu_task_put(). The checker closes the gate and waits until no actor is at
 * work. An actor that finds the gate closed waits there; it holds nothing that another actor waits
 * for, neither a lock nor an RCU section. Only a VM with `check` has a gate; other VMs pay one
 * branch.
 *
 * Rules
 *   G1  Between gate_close() and gate_open() nothing of the VM changes.
 *   G2  An actor at work never waits for slots_lock, which the closer holds. An actor that needs
 *       slots_lock takes it before it gets a task.
 *   G3  An open iterator only reads: it is not at work, but names the root that it has a reference
 *       to (mmu_actor.reading).
 *
 * Order: an actor sets its mark and then reads the gate; the closer closes the gate and then reads
 * the marks. All four are sequentially consistent, so that one of the two sees the other. Each
 * actor marks a word of its own, so the gate orders no two vCPUs by itself and hides no race
 * between them. Leaving is a release, and so is opening.
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
 * slots_lock is held and no vCPU is being created. `self` is the closer's own task, which continues
 * to work. Without `check` this does nothing: the caller ensures that no actor works.
 */
void gate_close(struct mmu *mmu, const struct mmu_actor *self);
void gate_open(struct mmu *mmu);

#endif
