/* Public functions that drop a VM's tables, read them, and iterate over them. */
#include <errno.h>

#include <tdpsim/iter.h>
#include <tdpsim/mmu.h>

#include "host/report.h"
#include "mmu/gate.h"
#include "mmu/invalidate.h"
#include "mmu/lookup.h"
#include "mmu/zap.h"
#include "vm/vm.h"

void tdp_mmu_zap_all_fast(struct tdp_vm *vm)
{
	struct mmu_actor *task;

	mutex_lock(&vm->memory.slots_lock);
	task = mmu_task_get(&vm->mmu); /* G2 */
	mmu_zap_all_fast(task);
	mmu_task_put(task);
	mutex_unlock(&vm->memory.slots_lock);
	/* Free what the zap unlinked: its own RCU section kept those tables until now. */
	rcu_poll(&vm->host->rcu);
}

void tdp_mmu_zap_range(struct tdp_vm *vm, tdp_gfn_t gfn, uint64_t pages)
{
	struct mmu_actor *task = mmu_task_get(&vm->mmu);
	uint64_t past = pages > ~0ULL - gfn.n ? ~0ULL : gfn.n + pages;

	mmu_zap_range(task, (struct gfn_range){gfn, tdp_gfn(past)});
	mmu_task_put(task);
}

enum tdp_level tdp_mmu_mapped_level(struct tdp_vm *vm, unsigned int address_space, tdp_gfn_t gfn)
{
	struct mmu_actor *task = mmu_task_get(&vm->mmu);
	struct table *root = root_next(task, NULL, ROOTS_VALID, (int)address_space);
	enum tdp_level level = TDP_NOT_MAPPED;

	if (root && gfn.n < table_reach(table_level(root))) {
		struct lookup found;

		mmu_read_begin(task);
		found = lookup_last(&vm->mmu, root, gfn);
		mmu_read_end(task);
		if (spte_leaf(&vm->mmu.encoding, found.entry, found.level))
			level = (enum tdp_level)found.level;
	}
	if (root)
		root_put(task, root);
	mmu_task_put(task);
	return level;
}

struct tdp_iter {
	struct mmu_actor *task;
	struct table *root;
	struct iter iter;
	bool begun;
};

static int check_range(const struct tdp_vm *vm, unsigned int address_space, tdp_gfn_t start,
		       uint64_t pages, unsigned int min_level)
{
	if (address_space >= vm->config.address_spaces || min_level < 1 ||
	    min_level > TDP_LEVEL_MAX || !pages || pages > ~0ULL - start.n) {
		host_report(vm->host, "no such address space, level or range of frames");
		return -EINVAL;
	}
	return 0;
}

int tdp_iter_begin(struct tdp_vm *vm, unsigned int address_space, tdp_gfn_t start, uint64_t pages,
		   unsigned int min_level, struct tdp_iter **result)
{
	int err = check_range(vm, address_space, start, pages, min_level);
	struct tdp_iter *iter;

	if (err)
		return err;
	iter = host_allocate(vm->host, sizeof(*iter));
	if (!iter)
		return -ENOMEM;
	iter->task = mmu_task_try_get(&vm->mmu);
	if (!iter->task) {
		err = -ENOMEM;
		goto free_iter;
	}
	iter->root = root_next(iter->task, NULL, ROOTS_VALID, (int)address_space);
	if (!iter->root) {
		err = -ENOENT;
		goto put_task;
	}
	if (min_level > table_level(iter->root))
		min_level = table_level(iter->root);
	mmu_read_begin(iter->task);
	iter_begin(&iter->iter, vm->host, &vm->mmu.encoding, iter->root, min_level, start,
		   tdp_gfn(start.n + pages));
	ptr_store_release(&iter->task->reading, iter->root);
	gate_leave(iter->task); /* G3 */
	*result = iter;
	return 0;

put_task:
	mmu_task_put(iter->task);
free_iter:
	host_release(vm->host, iter, sizeof(*iter));
	return err;
}

bool tdp_iter_next(struct tdp_iter *public, struct tdp_entry *entry)
{
	struct iter *iter = &public->iter;
	bool present;

	if (public->begun && iter->valid)
		iter_next(iter);
	public->begun = true;
	if (!iter_valid(iter))
		return false;
	present = spte_present(iter->encoding, iter->at.entry);
	*entry = (struct tdp_entry){
		.gfn = iter->at.gfn,
		.level = iter->at.level,
		.value = iter->at.entry,
		.present = present,
		.leaf = iter_at_leaf(iter),
		.pfn = present ? spte_pfn(iter->at.entry) : tdp_pfn(0),
	};
	return true;
}

void tdp_iter_end(struct tdp_iter *iter)
{
	struct tdp_host *host;

	if (!iter)
		return;
	host = iter->task->mmu->host;
	mmu_read_end(iter->task);
	gate_enter(iter->task);
	ptr_store_release(&iter->task->reading, NULL);
	root_put(iter->task, iter->root);
	mmu_task_put(iter->task);
	host_release(host, iter, sizeof(*iter));
}
