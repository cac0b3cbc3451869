#ifndef TDPSIM_STATS_H
#define TDPSIM_STATS_H

#include <tdpsim/vcpu.h>

/** Counters under KVM's names, changed where an entry changes; gauges are signed. */
struct tdp_stats {
	/* of the VM */
	int64_t pages_4k, pages_2m, pages_1g; /* leaves now, over all roots */
	int64_t nx_lpage_splits;
	int64_t tables; /* linked page tables, roots not counted */
	uint64_t remote_tlb_flush_requests;
	uint64_t remote_tlb_flush; /* requests that found a vCPU in guest mode */
	/* of the vCPUs, added up */
	uint64_t pf_taken;
	uint64_t pf_fixed;
	uint64_t pf_emulate;
	uint64_t pf_spurious;
	uint64_t pf_fast;
	uint64_t pf_mmio_spte_created;
	uint64_t tlb_flush; /* local */
	uint64_t exits;
	/* ours */
	uint64_t retries; /* faults that ended in RETRY or WRITE_PROTECTED */
	uint64_t errors;  /* faults that ended below 0 */
	uint64_t tlb_hits;
	uint64_t tlb_misses;
	uint64_t accesses;
};

/** Exact while no vCPU runs; otherwise the values are read one after the other. */
TDP_API void tdp_vm_stats(struct tdp_vm *vm, struct tdp_stats *stats);

/** The vCPU's own counters; all others are 0. Called by its actor, or between its calls. */
TDP_API void tdp_vcpu_stats(const struct tdp_vcpu *vcpu, struct tdp_stats *stats);

#endif
