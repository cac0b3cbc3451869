#ifndef TDPSIM_VCPU_H
#define TDPSIM_VCPU_H

#include <tdpsim/histogram.h>
#include <tdpsim/iter.h>
#include <tdpsim/walk.h>

/**
 * A virtual CPU: registers as far as they decide how addresses translate, a TLB,
 * a reference to a root. Used by one actor at a time.
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
	void *data;   /* NULL: the page's content is neither read nor written */
	size_t bytes; /* of `data` */
};

/** What came of a guest access. None of these is a failure of the simulator. */
enum tdp_outcome {
	TDP_ACCESS_DONE,
	TDP_ACCESS_FAULT, /* tdp_vcpu_enter() only: an exit that the MMU must handle */
	TDP_ACCESS_MMIO,  /* user space must emulate: no slot, or a write to a read-only one */
	TDP_ACCESS_GUEST_FAULT, /* the guest's own tables refused */
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

/** KVM's RET_PF codes; the numbers of the baseline stand in tracepoints only. */
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
 * Makes an access as a running guest does: TLB, walk, A/D update, data; on an
 * exit handles the fault and enters again until it is done or somebody else must
 * act. An NPT or EPT table is loaded first where the vCPU has none.
 *
 * -ENOMEM  the fault could not get memory; nothing is half done
 * -EINVAL  the access crosses a page, or is of no known kind
 */
TDP_API int tdp_vcpu_access(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			    struct tdp_access_result *result);

/**
 * What the guest feels: from now on each access that takes an exit adds to `stalls`
 * the nanoseconds from its first exit until it is done, or is given up. A full ring
 * only interrupts: its access goes on with the vCPU's next, and what is done for it in
 * between is a part. What needs no exit is not in it and pays nothing for it; what
 * does is read the clock for twice.
 * NULL, as a vCPU begins: nothing is timed. `stalls` is borrowed until another one
 * takes its place. Called by the vCPU's actor, or while it rests.
 */
TDP_API void tdp_vcpu_time_stalls(struct tdp_vcpu *vcpu, struct tdp_histogram *stalls);

/** One attempt in guest mode: like tdp_vcpu_access() but a fault is left to the caller. */
TDP_API int tdp_vcpu_enter(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
			   struct tdp_access_result *result);

/**
 * Handles one exit as KVM's page-fault handler does and says what came of it.
 * Returns 0, or with TDP_FAULT_ERROR the handler's negative errno (-EFAULT,
 * -EHWPOISON, -ENOMEM, -EINVAL for a reserved bit in a present entry).
 */
TDP_API int tdp_vcpu_fault(struct tdp_vcpu *vcpu, const struct tdp_fault *fault,
			   enum tdp_fault_result *result);

/**
 * Loads a root and serves pending requests now instead of at the next entry.
 *
 * -ENOMEM  no frame for the root
 */
TDP_API int tdp_vcpu_load_root(struct tdp_vcpu *vcpu);

/**
 * Looks up the entry that the way to `gfn` ends at under the root that the vCPU has
 * loaded: a leaf, or the entry below which there is no table. It is what its slot
 * held at some moment during the call; `gfn` of the entry is the first frame that
 * it spans. Where the root's tables do not reach `gfn` at all, the entry is `gfn`
 * itself at level TDP_NOT_MAPPED.
 *
 * Takes no lock and changes nothing: no fault, no use of the TLB, no accessed flag.
 * A root that has been invalidated is seen until the vCPU leaves it. Called by the
 * vCPU's actor.
 *
 * -ENOENT  no root is loaded; *entry is left alone
 */
TDP_API int tdp_vcpu_lookup(struct tdp_vcpu *vcpu, tdp_gfn_t gfn, struct tdp_entry *entry);

/**
 * The same for `count` frames, entries[i] for gfns[i], all inside one section in
 * which no table of the host is freed. Neighbours in the list cost least.
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
 * Changes registers with upstream's effect on the vCPU's root: kept, dropped and
 * found again, or re-made in another role.
 *
 * -EINVAL  a combination that the processor refuses
 */
TDP_API int tdp_vcpu_set_registers(struct tdp_vcpu *vcpu, const struct tdp_registers *registers,
				   enum tdp_register_change how);

/** Enters or leaves system-management mode: another address space, another root. */
TDP_API int tdp_vcpu_set_smm(struct tdp_vcpu *vcpu, bool smm);

/**
 * Enters or leaves an L2 guest that has no nested paging: the same guest-physical
 * addresses, another root (role bit guest_mode). The CPU would log L2's writes by
 * L2's addresses, so it logs none: they are found by protection, whatever policy
 * dirty_track says. While in SMM the vCPU runs in L1, and is back in L2 after it.
 *
 * -EINVAL  enters L2 in SMM
 */
TDP_API int tdp_vcpu_set_guest_mode(struct tdp_vcpu *vcpu, bool guest_mode);

/** Empties the vCPU's own TLB; not counted as a flush. */
TDP_API void tdp_vcpu_flush_tlb(struct tdp_vcpu *vcpu);

/** Frame of the root that the vCPU has loaded, or 0. */
TDP_API tdp_pfn_t tdp_vcpu_root(const struct tdp_vcpu *vcpu);

#endif
