/*
 * The structs of a VM and of a vCPU.
 *
 * Lock order, from the outside in: slots_lock (guest/memslot.h), a section of
 * RCU, mmu_lock, pages_lock; vcpus_lock comes between slots_lock and mmu_lock.
 * A notifier never takes slots_lock.
 */
#ifndef TDPSIM_VM_VM_H
#define TDPSIM_VM_VM_H

#include <tdpsim/check.h>
#include <tdpsim/vcpu.h>

#include "host/notify.h"
#include "mmu/context.h"
#include "paging/walker.h"

#define VCPUS_MAX 4096

struct tdp_vcpu {
	struct mmu_context context;
	struct tdp_vm *vm;
	struct watch *watch;	     /* NULL without `check` */
	const struct walker *walker; /* the VM's walker for this vCPU's root level */
	unsigned int id;
	unsigned int root_level;
	bool no_tlb;
	bool smm;
	bool guest_mode;
	bool stalled; /* the access under way took an exit, at `stalled_since`, and is timed */
	struct tdp_registers registers;
	struct tdp_guest_paging paging; /* worked out from the registers */
	struct tdp_vcpu *next;
	struct tdp_trace_event *events;
	struct tdp_histogram *stalls; /* belongs to the caller; NULL: stalls are not timed */
	uint64_t stalled_since;
};

struct tdp_vm {
	struct tdp_host *host;
	struct tdp_vm_config config; /* as used: defaults filled in; immutable */
	struct guest_memory memory;
	struct mmu mmu;
	struct walker walkers[2]; /* for roots of 4 and of 5 levels; immutable */
	struct notifier notifier;
	struct tdp_trace_event *task_events;
	bool nx_huge_pages; /* the user's setting of the mitigation; under slots_lock */
	struct mutex vcpus_lock;
	atomic_ptr vcpus;      /* youngest first; prepended under vcpus_lock with release */
	atomic_u32 vcpu_count; /* under vcpus_lock */
};

/* registers.c: the role that a vCPU's root must have. */
uint32_t vcpu_root_role(const struct tdp_vcpu *vcpu);
void vcpu_registers_init(struct tdp_vcpu *vcpu);

#endif
