/*
 * Actors of the host's tasks, kept for reuse. One exists from the beginning, so that an
 * invalidation, which must not fail, always gets one in the end.
 */
#include <errno.h>

#include "mmu/actor.h"
#include "mmu/gate.h"
#include "platform/wait.h"

static void link_task(struct mmu *mmu, struct mmu_actor *task)
{
	void *first = ptr_load_seq_cst(&mmu->tasks.all);

	do {
		task->next_task = first;
	} while (!ptr_cas_seq_cst(&mmu->tasks.all, &first, task));
}

static struct mmu_actor *task_create(struct mmu *mmu)
{
	struct mmu_actor *task =
		host_allocate_aligned(mmu->host, _Alignof(struct mmu_actor), sizeof(*task));

	if (!task)
		return NULL;
	mmu_actor_init(task, mmu);
	link_task(mmu, task);
	return task;
}

/* `keep_one`: leave the last one. */
static struct mmu_actor *take_idle(struct mmu *mmu, bool keep_one)
{
	struct mmu_actor *task;

	spinlock_lock(&mmu->tasks.lock);
	task = mmu->tasks.idle;
	if (task && keep_one && !task->next_idle)
		task = NULL;
	if (task)
		mmu->tasks.idle = task->next_idle;
	spinlock_unlock(&mmu->tasks.lock);
	return task;
}

struct mmu_actor *mmu_task_get(struct mmu *mmu)
{
	for (;;) {
		uint32_t returned = u32_load_acquire(&mmu->tasks.returned);
		struct mmu_actor *task = take_idle(mmu, false);

		if (!task)
			task = task_create(mmu);
		if (task) {
			gate_enter(task);
			return task;
		}
		wait_while(&mmu->tasks.returned, returned);
	}
}

struct mmu_actor *mmu_task_try_get(struct mmu *mmu)
{
	struct mmu_actor *task = take_idle(mmu, true);

	if (!task)
		task = task_create(mmu);
	if (task)
		gate_enter(task);
	return task;
}

void mmu_task_put(struct mmu_actor *task)
{
	struct mmu *mmu = task->mmu;

	gate_leave(task);
	spinlock_lock(&mmu->tasks.lock);
	task->next_idle = mmu->tasks.idle;
	mmu->tasks.idle = task;
	spinlock_unlock(&mmu->tasks.lock);
	u32_add_acq_rel(&mmu->tasks.returned, 1);
	wait_wake_one(&mmu->tasks.returned);
}

int mmu_tasks_init(struct mmu *mmu)
{
	mmu->tasks.idle = task_create(mmu);
	return mmu->tasks.idle ? 0 : -ENOMEM;
}

void mmu_tasks_fini(struct mmu *mmu)
{
	struct mmu_actor *task;

	while ((task = take_idle(mmu, false))) {
		mmu_actor_fini(task);
		host_release(mmu->host, task, sizeof(*task));
	}
}
