/* What a vCPU or a task of the host needs to work on tables (struct mmu_actor in mmu.h). */
#ifndef TDPSIM_MMU_ACTOR_H
#define TDPSIM_MMU_ACTOR_H

#include "mmu/mmu.h"

void mmu_actor_init(struct mmu_actor *actor, struct mmu *mmu);
void mmu_actor_fini(struct mmu_actor *actor);

/* Sets whether events into `ring`, and changes of entries, have an observer. */
static inline void mmu_actor_listen(struct mmu_actor *actor, const struct trace_ring *ring)
{
	actor->traced = tracing(&actor->mmu->tracer, ring);
	actor->observed = actor->traced || actor->mmu->check;
}

#endif
