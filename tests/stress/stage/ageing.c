/* Ages a page. See ageing.h. */
#include "stress/stage/ageing.h"

#include "mmu/flush.h"
#include "mmu/lookup.h"
#include "mmu/root.h"
#include "vm/vm.h"

static void age(struct mmu_actor *task, struct table *root, tdp_gfn_t gfn)
{
	struct mmu *mmu = task->mmu;
	struct lookup found;

	mmu_read_begin(task);
	found = lookup_last(mmu, root, gfn);
	if (spte_leaf(&mmu->encoding, found.entry, found.level) &&
	    !spte_access_tracked(&mmu->encoding, found.entry))
		u64_cas_acq_rel(found.slot, &found.entry,
				spte_to_tracked(&mmu->encoding, found.entry));
	mmu_read_end(task);
}

/* The shared lock is held until the flush: nobody observes the change without it. */
void age_page(struct stress *stress, tdp_gfn_t gfn)
{
	struct mmu_actor *task = mmu_task_get(&stress->vm->mmu);
	struct mmu_shared shared = mmu_lock_shared(task);
	struct table *root = root_next(task, NULL, ROOTS_VALID, 0);

	if (root) {
		age(task, root, gfn);
		mmu_flush_all(task);
		root_put(task, root);
	}
	mmu_unlock_shared(shared);
	mmu_task_put(task);
}
