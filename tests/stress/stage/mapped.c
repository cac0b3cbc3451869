/* Which roots map a frame. See mapped.h. */
#include "stress/stage/mapped.h"

#include "mmu/lookup.h"
#include "mmu/root.h"
#include "vm/vm.h"

static bool maps(struct mmu_actor *task, const struct table *root, tdp_gfn_t gfn, tdp_pfn_t pfn)
{
	const struct mmu *mmu = task->mmu;
	struct lookup last;
	uint64_t within;

	mmu_read_begin(task);
	last = lookup_last(mmu, root, gfn);
	mmu_read_end(task);
	within = gfn.n & (tdp_level_pages(last.level) - 1);
	return spte_leaf(&mmu->encoding, last.entry, last.level) &&
	       spte_pfn(last.entry).n + within == pfn.n;
}

bool mapped_anywhere(struct tdp_vm *vm, unsigned int address_space, tdp_gfn_t gfn, tdp_pfn_t pfn)
{
	struct mmu_actor *task = mmu_task_get(&vm->mmu);
	struct table *root = NULL;
	bool found = false;

	while ((root = root_next(task, root, ROOTS_ALL, (int)address_space)))
		found |= maps(task, root, gfn, pfn);
	mmu_task_put(task);
	return found;
}
