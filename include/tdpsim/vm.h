#ifndef TDPSIM_VM_H
#define TDPSIM_VM_H

#include <tdpsim/host.h>
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

/** Which kernel's choices a VM makes where its config does not say. */
enum tdp_baseline {
	TDP_BASELINE_LATEST, /* the 7.0 development cycle */
	TDP_BASELINE_6_1,    /* 6.1.y stable, backports included */
	TDP_BASELINE_6_12,
};

/** A policy that is on, off, or as the baseline has it. */
enum tdp_choice {
	TDP_AS_BASELINE,
	TDP_ON,
	TDP_OFF,
};

enum tdp_lock_policy {
	TDP_LOCK_AS_BASELINE,
	TDP_LOCK_EXCLUSIVE, /* faults take mmu_lock for themselves (upstream until 5.11) */
	TDP_LOCK_SHARED,    /* one fair reader-writer word (upstream since 5.12) */
	TDP_LOCK_PERCPU,    /* a flag for each vCPU, the writer sweeps */
};

enum tdp_stats_policy {
	TDP_STATS_AS_BASELINE,
	TDP_STATS_SHARED, /* pages_* are words of the VM, as upstream */
	TDP_STATS_PERCPU, /* each vCPU counts for itself, readers add up */
};

enum tdp_huge_fault_policy {
	TDP_HUGE_FAULT_AS_BASELINE,
	TDP_HUGE_FAULT_SPLIT, /* a huge leaf above the goal is split in place (6.2) */
	TDP_HUGE_FAULT_ZAP,   /* it is zapped, its other pages fault again (until 6.1) */
};

enum tdp_range_flush_policy {
	TDP_RANGE_FLUSH_AS_BASELINE,
	TDP_RANGE_FLUSH_FULL,  /* a flush of a range empties the TLB (upstream on hardware) */
	TDP_RANGE_FLUSH_EXACT, /* it takes what lies in the range (upstream on Hyper-V) */
};

enum tdp_dirty_track_policy {
	TDP_DIRTY_TRACK_AS_BASELINE, /* D flags where the hardware can log them, else wrprot */
	TDP_DIRTY_TRACK_WRPROT,	     /* 4K leaves lose W, a write faults */
	TDP_DIRTY_TRACK_DBIT,	     /* they lose D, the CPU logs writes (PML: EPT with A/D only) */
};

enum tdp_recovery_policy {
	TDP_RECOVERY_AS_BASELINE,
	TDP_RECOVERY_IN_PLACE, /* logging off makes huge leaves of tables (6.13) */
	TDP_RECOVERY_ZAP,      /* it zaps the tables, faults map huge pages again (until 6.12) */
};

/**
 * Where kernels differ, one field for each difference, so that any two can be
 * compared. All zero: as the baseline.
 */
struct tdp_policy {
	enum tdp_lock_policy lock;
	enum tdp_stats_policy stats;
	enum tdp_huge_fault_policy huge_fault;
	enum tdp_choice suppress_ve;	     /* 6.10: bit 63 in every EPT entry and in
						the non-present value */
	enum tdp_choice zap_flush_first;     /* 6.10: atomic zap flushes before it accounts */
	enum tdp_choice spurious_if_allowed; /* 6.13: a fault that the leaf already allows
						changes nothing */
	enum tdp_choice dirty_at_birth;	     /* 6.13: a writable leaf always begins dirty */
	enum tdp_choice software_ad;	     /* 6.13: A and D masks even without hardware A/D */
	enum tdp_choice quiet_spurious;	     /* 6.13: no set_spte line for an unchanged leaf */
	enum tdp_choice shared_root_alloc;   /* 6.9: roots are allocated under the shared lock */
	enum tdp_choice zap_each_level;	     /* 6.9: root zap level by level, 4K steps */
	enum tdp_choice skip_invalid_roots;  /* 6.9: zapping invalid roots owes no flush */
	enum tdp_choice early_invalidation_check; /* 6.9: retry before taking mmu_lock */
	enum tdp_choice lockless_age;		  /* 6.15: pages age without mmu_lock */
	enum tdp_choice slot_zap_all;		  /* quirk SLOT_ZAP_ALL: deleting a slot drops all
						     roots; off (6.12 on): its leaves only */
	enum tdp_range_flush_policy range_flush;  /* in every baseline: full */
	enum tdp_dirty_track_policy dirty_track;
	enum tdp_choice eager_split; /* 5.18: logged memory is split to 4K before it is written */
	enum tdp_choice
		clear_splits_last; /* clearing splits the last page asked for too (not 6.1) */
	enum tdp_recovery_policy recovery;
	enum tdp_choice nx_huge_pages;	    /* huge leaves are never executable; off */
	enum tdp_choice nx_recovery_shared; /* 6.18: NX recovery under the shared lock */
	enum tdp_choice nx_skip_logged;	    /* NX recovery leaves logged slots alone (not 6.1) */
};

/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
enum tdp_manual_protect {
	TDP_MANUAL_PROTECT_OFF,	    /* reading the log protects again what it reports */
	TDP_MANUAL_PROTECT_ON,	    /* tdp_vm_clear_dirty_log() does, chosen pages at a time */
	TDP_MANUAL_PROTECT_ALL_SET, /* and a log begins with every page marked, nothing protected */
};

/** All zero is a VM as upstream would make it; new fields are appended. */
struct tdp_vm_config {
	size_t size; /* 0 or sizeof(struct tdp_vm_config) */
	enum tdp_format format;
	unsigned int levels;	 /* deepest paging of the host: 4 or 5; 0 means 4 */
	unsigned int maxphyaddr; /* of the guest (CPUID); 0: 48 with 4 levels, 52 with 5 */
	enum tdp_baseline baseline;
	struct tdp_policy policy;
	bool no_ad;	      /* the CPU keeps no accessed and dirty flags (EPT only) */
	bool no_execute_only; /* EPT capability bit 0 clear */
	bool no_mmio_caching;
	bool reserved_not_present; /* NPT: see struct tdp_walk_config */
	bool l1tf;		   /* a CPU with L1TF: MMIO entries keep the top 5 frame bits set */
	enum tdp_level max_level;  /* largest leaf the hardware knows; 0 means 1G */
	unsigned int address_spaces; /* 1, or 2 with SMM; 0 means 2 */
	bool check;		     /* keep what the checker needs; slower */
	/** Every event, on the thread and under the locks where it happens: must not call back. */
	tdp_trace_sink trace;
	void *trace_context;
	size_t trace_ring; /* events kept for each vCPU, a power of two; 0: none */
	enum tdp_manual_protect manual_protect;
	/** Entries of each vCPU's dirty ring (KVM_CAP_DIRTY_LOG_RING), a power of two from 512
	    to 65536, and more than the 64, or 576 where the CPU logs writes, that are kept free
	    for what a running vCPU may still push. 0: the log is a bitmap. */
	unsigned int dirty_ring;
	bool dirty_ring_with_bitmap;	/* pages dirtied without a vCPU go to a bitmap beside it */
	bool no_nx_huge_pages;		/* KVM_CAP_VM_DISABLE_NX_HUGE_PAGES */
	unsigned int nx_recovery_ratio; /* a round recovers 1/ratio of the list; 0 means 60 */
	unsigned int nx_recovery_period_ms; /* between rounds; 0: by the ratio, about an hour for
					       the whole list */
};

/**
 * Stores a new VM in *vm, to be ended with tdp_vm_destroy(), or leaves *vm alone.
 *
 * -EINVAL  fields of `config` contradict each other or the host (the host's report says which)
 * -ENOMEM  no metadata
 */
TDP_API int tdp_vm_create(struct tdp_host *host, const struct tdp_vm_config *config,
			  struct tdp_vm **vm);

/** NULL is allowed. No vCPU may run and no other call may be under way. */
TDP_API void tdp_vm_destroy(struct tdp_vm *vm);

/** The policies as used, none "as baseline" any more. */
TDP_API void tdp_vm_policy(const struct tdp_vm *vm, struct tdp_policy *policy);

/** The baseline's name as an option has it ("6.1", "6.12", "latest"), or NULL. */
TDP_API const char *tdp_baseline_name(enum tdp_baseline baseline);

#endif
