#ifndef TDPSIM_VM_H
#define TDPSIM_VM_H

#include <tdpsim/host.h>
#include <tdpsim/policy.h>
#include <tdpsim/trace.h>

/**
 * A virtual machine: its memory slots, its vCPUs and the second-level tables
 * that translate its physical addresses. A VM owns everything created from it;
 * pointers to its vCPUs are borrowed and die with it.
 *
 * Threads: one thread creates and destroys. Every other function that takes a
 * VM may be called by any thread at any time, unless it says otherwise.
 */
struct tdp_vm;

/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
enum tdp_manual_protect {
	TDP_MANUAL_PROTECT_OFF,	    /* reading the log protects the reported pages again */
	TDP_MANUAL_PROTECT_ON,	    /* tdp_vm_clear_dirty_log() does, for the pages asked for */
	TDP_MANUAL_PROTECT_ALL_SET, /* and a log begins with every page marked and none protected */
};

/** All zero is a VM as upstream would make it. */
struct tdp_vm_config {
	size_t size; /* see tdpsim/types.h */
	enum tdp_format format;
	unsigned int levels;	 /* deepest paging of the host: 4 or 5; 0 means 4 */
	unsigned int maxphyaddr; /* of the guest (CPUID); 0: 48 with 4 levels, 52 with 5 */
	enum tdp_baseline baseline;
	const struct tdp_policy *policy; /* NULL: all as the baseline; read at creation */
	bool no_ad;			 /* the CPU keeps no accessed and dirty flags (EPT only) */
	bool no_execute_only;		 /* EPT capability bit 0 clear */
	bool no_mmio_caching;
	bool reserved_not_present; /* NPT: see struct tdp_walk_config */
	bool l1tf;		   /* a CPU with L1TF: MMIO entries keep the top 5 frame bits set */
	enum tdp_level max_level;  /* largest leaf that the hardware has; 0 means 1G */
	unsigned int address_spaces; /* 1, or 2 with SMM; 0 means 2 */
	bool check;		     /* keep what tdp_vm_check() needs; slower */
	/** Called for every event, by the acting thread with its locks held: must not call the
	    library. */
	tdp_trace_sink trace;
	void *trace_context;
	size_t trace_ring; /* events kept for each vCPU, a power of two up to 2^24; 0: none */
	enum tdp_manual_protect manual_protect;
	/** Entries of each vCPU's dirty ring (KVM_CAP_DIRTY_LOG_RING), a power of two from 512
	    to 65536, and more than the 64, or 576 where the CPU logs writes, that are kept free
	    for what a running vCPU may still push. 0: the log is a bitmap. */
	unsigned int dirty_ring;
	bool dirty_ring_with_bitmap;	    /* a bitmap beside it, for pages that no vCPU dirties */
	bool no_nx_huge_pages;		    /* KVM_CAP_VM_DISABLE_NX_HUGE_PAGES */
	unsigned int nx_recovery_ratio;	    /* a round recovers 1/ratio of the list; 0 means 60 */
	unsigned int nx_recovery_period_ms; /* between rounds; 0: by the ratio, about an hour for
					       the whole list */
	/** The CPU's mode-based execute control (EPT) or guest-mode execute trap (NPT) is in use,
	   as KVM uses them since 7.2. No capture has them: derived from the source. */
	bool mbec, gmet;
};

/**
 * Stores a new VM in *vm, to be ended with tdp_vm_destroy(), or leaves *vm alone.
 *
 * -EINVAL  fields of `config` are out of range, or contradict each other or the host (the
 *          host's report says which)
 * -ENOMEM  no metadata
 */
TDP_API int tdp_vm_create(struct tdp_host *host, const struct tdp_vm_config *config,
			  struct tdp_vm **vm);

/** NULL is allowed. No vCPU may run and no other call may be under way. */
TDP_API void tdp_vm_destroy(struct tdp_vm *vm);

/** The policies as used, none "as the baseline" any more. Borrowed, dies with the VM. */
TDP_API const struct tdp_policy *tdp_vm_policy(const struct tdp_vm *vm);

#endif
