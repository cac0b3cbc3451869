/* Public functions of NX huge pages: the mitigation's switch, and rounds of recovery. */
#include <tdpsim/nx.h>

#include "mmu/nx.h"
#include "vm/vm.h"

/* At least a second (calc_nx_huge_pages_recovery_period(), 6.12). */
#define HOUR_MS	     3600000u
#define SECONDS_HOUR 3600u
#define NS_PER_MS    1000000u

void tdp_vm_set_nx_huge_pages(struct tdp_vm *vm, bool on)
{
	bool active = on && !vm->config.no_nx_huge_pages;
	struct mmu_actor *task;

	mutex_lock(&vm->memory.slots_lock);
	if (on != vm->nx_huge_pages) {
		vm->nx_huge_pages = on;
		task = mmu_task_get(&vm->mmu); /* G2 of gate.h */
		nx_set_active(task, active);
		mmu_task_put(task);
	}
	mutex_unlock(&vm->memory.slots_lock);
	rcu_poll(&vm->host->rcu);
}

uint64_t tdp_vm_recover_nx_huge_pages(struct tdp_vm *vm)
{
	struct mmu_actor *task = mmu_task_get(&vm->mmu);
	uint64_t taken = nx_recover(task, vm->config.nx_recovery_ratio);

	mmu_task_put(task);
	rcu_poll(&vm->host->rcu);
	return taken;
}

uint64_t tdp_vm_nx_recovery_worker(struct tdp_vm *vm, const struct tdp_flag *stop)
{
	uint64_t period = tdp_vm_nx_recovery_period(vm) * NS_PER_MS, rounds = 0;

	while (!tdp_flag_wait(stop, period)) {
		tdp_vm_recover_nx_huge_pages(vm);
		rounds++;
	}
	return rounds;
}

uint64_t tdp_vm_nx_recovery_period(const struct tdp_vm *vm)
{
	unsigned int ratio = vm->config.nx_recovery_ratio;

	if (vm->config.nx_recovery_period_ms)
		return vm->config.nx_recovery_period_ms;
	return HOUR_MS / (ratio < SECONDS_HOUR ? ratio : SECONDS_HOUR);
}
