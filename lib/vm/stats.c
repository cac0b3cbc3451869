/* Reads a VM's statistics, and drains its trace rings. */
#include <tdpsim/stats.h>

#include "vm/vcpu.h"
#include "vm/vm.h"

static void add_vcpu(const struct tdp_vcpu *vcpu, struct tdp_stats *stats)
{
	counters_add_to(&vcpu->context.counters, stats);
}

void tdp_vcpu_stats(const struct tdp_vcpu *vcpu, struct tdp_stats *stats)
{
	*stats = (struct tdp_stats){0};
	add_vcpu(vcpu, stats);
}

void tdp_vm_stats(struct tdp_vm *vm, struct tdp_stats *stats)
{
	const struct tdp_vcpu *vcpu;

	*stats = (struct tdp_stats){0};
	gauges_add_to(&vm->mmu.gauges, stats);
	stats->remote_tlb_flush_requests = tally_read(&vm->mmu.flush_counts.requests);
	stats->remote_tlb_flush = tally_read(&vm->mmu.flush_counts.made);
	for (vcpu = vm_first_vcpu(vm); vcpu; vcpu = vcpu->next) {
		gauge_deltas_add_to(&vcpu->context.deltas, stats);
		add_vcpu(vcpu, stats);
	}
}

uint64_t tdp_trace_drain(struct tdp_vm *vm, tdp_trace_sink sink, void *context)
{
	struct trace_ring *rings[VCPUS_MAX + 1];
	struct tdp_vcpu *vcpu;
	size_t count = 0;

	rings[count++] = &vm->mmu.task_ring.ring;
	for (vcpu = vm_first_vcpu(vm); vcpu; vcpu = vcpu->next)
		rings[count++] = &vcpu->context.ring;
	return trace_rings_drain(rings, count, sink, context);
}
