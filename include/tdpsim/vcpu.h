#ifndef TDPSIM_VCPU_H
#define TDPSIM_VCPU_H

#include <tdpsim/histogram.h>
#include <tdpsim/iter.h>
#include <tdpsim/walk.h>

/**
 * A virtual CPU: the registers that decide how addresses translate, a TLB, and a
 * reference to a root. Used by one actor at a time.
 */
struct tdp_vcpu;

struct tdp_vcpu_config {
	size_t size;		 /* see tdpsim/types.h */
	unsigned int maxphyaddr; /* CPUID of this vCPU; 0: the VM's */
	bool no_tlb;		 /* the TLB is empty at every entry */
	int node;		 /* preferred NUMA node plus one; 0: any */
};

/**
 * Stores a new vCPU of `vm` in *vcpu; its id is the number of vCPUs before it.
 * It is destroyed with the VM.
 *
 * -EINVAL  a field is out of range
 * -ENOMEM  no metadata
 * -ENOSPC  the VM has 4096 already
 */
TDP_API int tdp_vcpu_create(struct tdp_vm *vm, const struct tdp_vcpu_config *config,
			    struct tdp_vcpu **vcpu);

TDP_API unsigned int tdp_vcpu_id(const struct tdp_vcpu *vcpu);

/** One access of one guest instruction; it lies within a page. */
struct tdp_access_request {
	uint64_t address; /* guest-linear; guest-physical while paging is off */
	enum tdp_access access;
	bool user;    /* CPL 3 */
	uint64_t rip; /* for tracepoints only */
	void *data;   /* copied from or to the page; NULL: its content is not touched */
	size_t bytes; /* of `data` */
};

/** What came of a guest access. None of these is a failure of the simulator. */
enum tdp_outcome {
	TDP_ACCESS_DONE,
	TDP_ACCESS_FAULT, /* tdp_vcpu_enter() only: an exit that the caller handles */
	TDP_ACCESS_MMIO,  /* user space must emulate: no slot, or a write to a read-only one */
	TDP_ACCESS_GUEST_FAULT, /* the guest's own tables refuse the access */
	TDP_ACCESS_REFUSED,	/* KVM_RUN would fail: see `error` (-EFAULT, -EHWPOISON) */
	TDP_ACCESS_RING_FULL,	/* the dirty ring must be harvested and reset first */
};

/** A second-level fault, as the exit reports it. */
struct tdp_fault {
	uint64_t gpa;
	uint64_t error_code; /* NPT: EXITINFO1; EPT: exit qualification */
	bool misconfig;	     /* EPT misconfiguration: no qualification */
	uint64_t rip;
};

/** KVM's RET_PF codes; in tracepoints they have the numbers of policy ret_pf. */
enum tdp_fault_result {
	TDP_FAULT_RETRY,
	TDP_FAULT_EMULATE,
	TDP_FAULT_WRITE_PROTECTED,
	TDP_FAULT_FIXED,
	TDP_FAULT_SPURIOUS,
	TDP_FAULT_ERROR, /* the error is returned */
};

struct tdp_access_result {
	enum tdp_outcome outcome;
	tdp_pfn_t pfn;		/* done: the frame accessed */
	bool tlb_hit;		/* done without a walk */
	unsigned int faults;	/* exits that it took */
	int error;		/* refused: why */
	struct tdp_fault fault; /* the last exit, if there was one */
	uint32_t guest_error_code;
};

/**
 * Makes an access as a running guest does: TLB, walk, A/D update, data. On an exit it
 * handles the fault and enters again, until the access is done or the outcome says who
 * must act. If the vCPU has no root, one is loaded first.
 *
 * -ENOMEM  no memory for the fault; the access was not made
 * -EINVAL  the access crosses a page, or its kind is unknown
 */
TDP_API int tdp_vcpu_access(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			    struct tdp_access_result *result);

/**
 * Times how long exits stall the guest: from now on each access with an exit records in
 * `stalls` the nanoseconds from its first exit until it is done or given up. Accesses
 * without an exit are not timed; the others read the clock twice. An access that a full
 * dirty ring interrupts is continued by the vCPU's next access, and the time between
 * the two counts.
 * NULL, as at creation: nothing is timed. `stalls` is borrowed until the next call.
 * Called by the vCPU's actor, or between its calls.
 */
TDP_API void tdp_vcpu_time_stalls(struct tdp_vcpu *vcpu, struct tdp_histogram *stalls);

/** One attempt in guest mode: like tdp_vcpu_access(), but the caller handles the fault. */
TDP_API int tdp_vcpu_enter(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			   struct tdp_access_result *result);

/**
 * Handles one exit as KVM's page-fault handler does and stores the result.
 * Returns 0, or with TDP_FAULT_ERROR the handler's negative errno (-EFAULT,
 * -EHWPOISON, -ENOMEM, -EINVAL for a reserved bit in a present entry).
 */
TDP_API int tdp_vcpu_fault(struct tdp_vcpu *vcpu, const struct tdp_fault *fault,
			   enum tdp_fault_result *result);

/**
 * Loads a root and handles pending requests now instead of at the next entry.
 *
 * -ENOMEM  no frame for the root
 */
TDP_API int tdp_vcpu_load_root(struct tdp_vcpu *vcpu);

/**
 * Looks up the last entry on the path to `gfn` under the root that the vCPU has loaded:
 * a leaf, or an entry that links no table. Its value is that of some moment during the
 * call, and its `gfn` is the first frame that it spans. If the root's tables cannot
 * reach `gfn`, the entry is `gfn` itself at level TDP_NOT_MAPPED.
 *
 * Takes no lock and changes nothing: no fault, no TLB entry, no accessed flag. An
 * invalidated root is used until the vCPU leaves it. Called by the vCPU's actor.
 *
 * -ENOENT  no root is loaded; *entry is left alone
 */
TDP_API int tdp_vcpu_lookup(struct tdp_vcpu *vcpu, tdp_gfn_t gfn, struct tdp_entry *entry);

/**
 * The same for `count` frames, entries[i] for gfns[i], in one RCU section. Frames that
 * are neighbours in the list and in the tables cost least.
 *
 * -ENOENT  no root is loaded; `entries` is left alone
 */
TDP_API int tdp_vcpu_lookup_many(struct tdp_vcpu *vcpu, const tdp_gfn_t *gfns, size_t count,
				 struct tdp_entry *entries);

/** Registers that decide how addresses translate. */
struct tdp_registers {
	uint64_t cr0, cr3, cr4, efer;
};

TDP_API void tdp_vcpu_registers(const struct tdp_vcpu *vcpu, struct tdp_registers *registers);

/** How registers are changed decides which roots are dropped. */
enum tdp_register_change {
	TDP_CHANGE_GUEST, /* MOV CRn or WRMSR of the guest, one register at a time */
	TDP_CHANGE_SREGS, /* KVM_SET_SREGS: resets the context if any of them changed */
};

/**
 * Changes registers, with upstream's effect on the vCPU's root: it is kept, dropped and
 * found again, or replaced by one of another role.
 *
 * -EINVAL  a combination that the processor refuses, or `how` is no kind of change
 */
TDP_API int tdp_vcpu_set_registers(struct tdp_vcpu *vcpu, const struct tdp_registers *registers,
				   enum tdp_register_change how);

/** Enters or leaves system-management mode: another address space, another root. */
TDP_API int tdp_vcpu_set_smm(struct tdp_vcpu *vcpu, bool smm);

/**
 * Enters or leaves an L2 guest that has no nested paging: the same guest-physical
 * addresses, another root (role bit guest_mode). The CPU would log L2's writes by
 * L2's addresses, so it logs none: L2's writes are found by protection whatever policy
 * dirty_track says. In SMM the vCPU runs in L1, and returns to L2 after it.
 *
 * -EINVAL  enters L2 in SMM
 */
TDP_API int tdp_vcpu_set_guest_mode(struct tdp_vcpu *vcpu, bool guest_mode);

/** Empties the vCPU's own TLB; not counted as a flush. */
TDP_API void tdp_vcpu_flush_tlb(struct tdp_vcpu *vcpu);

/** Frame of the root that the vCPU has loaded, or 0. */
TDP_API tdp_pfn_t tdp_vcpu_root(const struct tdp_vcpu *vcpu);

#endif
