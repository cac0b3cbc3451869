/* The gate: closing it, and waiting at it. See gate.h. */
#include "mmu/gate.h"

#include "mmu/context.h"
#include "platform/handover.h"

#define GATE_OPEN   0
#define GATE_CLOSED 1

void gate_pass(struct mmu_actor *actor)
{
	struct mmu *mmu = actor->mmu;

	for (;;) {
		u32_exchange_seq_cst(&actor->at_work, 1);
		if (u32_load_seq_cst(&mmu->checks.gate) == GATE_OPEN)
			return;
		u32_store_release(&actor->at_work, 0);
		wait_while(&mmu->checks.gate, GATE_CLOSED);
	}
}

static void wait_until_idle(const struct mmu_actor *actor, struct handover_wait *wait)
{
	handover_wait_next(wait);
	while (u32_load_seq_cst(&actor->at_work))
		handover_pause(&actor->mmu->host->handover, wait);
}

void gate_close(struct mmu *mmu, const struct mmu_actor *self)
{
	const struct mmu_context *context;
	const struct mmu_actor *task;
	struct handover_wait wait = {0};

	if (!mmu->check)
		return;
	u32_exchange_seq_cst(&mmu->checks.gate, GATE_CLOSED);
	for (context = ptr_load_acquire(&mmu->vcpus.youngest); context; context = context->next)
		wait_until_idle(&context->actor, &wait);
	/* A task that is linked after this look finds the gate closed. */
	for (task = ptr_load_seq_cst(&mmu->tasks.all); task; task = task->next_task)
		if (task != self)
			wait_until_idle(task, &wait);
	handover_wait_end(&mmu->host->handover, &wait);
}

void gate_open(struct mmu *mmu)
{
	if (!mmu->check)
		return;
	u32_store_release(&mmu->checks.gate, GATE_OPEN);
	wait_wake_all(&mmu->checks.gate);
}
