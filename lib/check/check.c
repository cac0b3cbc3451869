/* Checks a VM: stops its actors, runs each part of the checker, reports. See checker.h. */
#include <inttypes.h>

#include "check/checker.h"
#include "mmu/gate.h"
#include "vm/vcpu.h"

/* Reports the violations that were noted while the VM ran, and clears the notes. */
static void report_noted(struct checker *checker)
{
	for (unsigned int i = 0; i < TDP_INVARIANTS; i++) {
		char first[NOTE_BYTES];
		uint64_t times = mmu_note_take(checker->mmu, (enum tdp_invariant)i, first);

		if (!times)
			continue;
		violation(checker, (enum tdp_invariant)i,
			  "noted while the VM ran, %" PRIu64 " times, first: %s", times, first);
		checker->violations += times - 1;
	}
}

/* Reports uses of freed tables. The host counts them, and cannot say which VM's table it was. */
static void report_freed_uses(struct checker *checker)
{
	uint64_t times = u64_exchange_acq_rel(&checker->vm->host->freed_table_uses, 0);

	if (!times)
		return;
	violation(checker, TDP_INVARIANT_LIFETIME,
		  "noted while the host ran: freed tables were met %" PRIu64 " times", times);
	checker->violations += times - 1;
}

static void check_all(struct checker *checker)
{
	const struct tdp_vcpu *vcpu;

	check_logs(checker);
	check_roots(checker);
	for (vcpu = vm_first_vcpu(checker->vm); vcpu; vcpu = vcpu->next)
		check_tlb(checker, vcpu);
	check_counts(checker);
	check_nx(checker);
	report_noted(checker);
	report_freed_uses(checker);
}

uint64_t tdp_vm_check(struct tdp_vm *vm, tdp_violation_sink sink, void *context)
{
	struct checker checker = {
		.vm = vm,
		.mmu = &vm->mmu,
		.encoding = &vm->mmu.encoding,
		.sink = sink,
		.context = context,
	};
	struct mmu_exclusive exclusive;
	struct mmu_actor *task;

	mutex_lock(&vm->memory.slots_lock);
	mutex_lock(&vm->vcpus_lock);
	task = mmu_task_get(&vm->mmu);
	gate_close(&vm->mmu, task);
	exclusive = mmu_lock_exclusive(task);
	check_all(&checker);
	mmu_unlock_exclusive(exclusive);
	gate_open(&vm->mmu);
	mmu_task_put(task);
	mutex_unlock(&vm->vcpus_lock);
	mutex_unlock(&vm->memory.slots_lock);
	return checker.violations;
}
