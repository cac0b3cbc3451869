/* What a vCPU or a task of the host needs to work on tables. See actor.h. */
#include "mmu/actor.h"

void mmu_actor_init(struct mmu_actor *actor, struct mmu *mmu)
{
	actor->mmu = mmu;
	actor->vcpu = -1;
	mmu_actor_listen(actor, &mmu->task_ring.ring);
	host_caller_init(&actor->caller, mmu->host);
}

void mmu_actor_fini(struct mmu_actor *actor)
{
	host_caller_fini(&actor->caller);
}
