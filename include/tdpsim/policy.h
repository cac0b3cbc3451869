#ifndef TDPSIM_POLICY_H
#define TDPSIM_POLICY_H

#include <tdpsim/types.h>

/** Which kernel's choices a VM makes where its config does not say otherwise. */
enum tdp_baseline {
	TDP_BASELINE_LATEST, /* the newest of those below, whichever that is */
	TDP_BASELINE_5_13,
	TDP_BASELINE_5_14,
	TDP_BASELINE_6_1, /* 6.1.y stable, backports included */
	TDP_BASELINE_6_12,
	TDP_BASELINE_6_16,
	TDP_BASELINE_6_18, /* 6.18 to 7.1 */
	TDP_BASELINE_7_2,  /* 7.2 and 7.3 */
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
	TDP_RECOVERY_IN_PLACE, /* when logging stops, a table becomes a huge leaf (6.13) */
	TDP_RECOVERY_ZAP,      /* the table is zapped, faults map huge pages again (until 6.12) */
};

enum tdp_entry_layout {
	TDP_ENTRY_LAYOUT_AS_BASELINE,
	TDP_ENTRY_LAYOUT_5_13, /* MMU-present in bit 11, three access bits in a role (until 7.1) */
	TDP_ENTRY_LAYOUT_7_2,  /* made for MBEC and GMET: EPT bit 10 is XU, four access bits */
};

enum tdp_role_policy {
	TDP_ROLE_AS_BASELINE,
	TDP_ROLE_GUEST, /* NX and WP of a root's role are the guest's (until 5.13) */
	TDP_ROLE_PAGED, /* they are the guest's while it pages, else 0 (5.14 to 5.18) */
	TDP_ROLE_FIXED, /* both are 1 (5.19) */
};

enum tdp_ret_pf_policy {
	TDP_RET_PF_AS_BASELINE,
	TDP_RET_PF_FROM_0,	    /* RETRY is 0, there is no CONTINUE (until 5.17) */
	TDP_RET_PF_FROM_1,	    /* RETRY is 1, there is no WRITE_PROTECTED (until 6.11) */
	TDP_RET_PF_WRITE_PROTECTED, /* EMULATE is followed by WRITE_PROTECTED (6.12) */
};

/**
 * Where kernels differ, one field for each difference, so that any two can be
 * compared. 0: as the baseline. tdp_policy_describe() says what each field
 * does and since when; docs/model.md has the value of each baseline.
 */
struct tdp_policy {
	size_t size; /* see tdpsim/types.h */
	enum tdp_lock_policy lock;
	enum tdp_stats_policy stats;
	enum tdp_huge_fault_policy huge_fault;
	enum tdp_choice suppress_ve;	     /* bit 63 in every EPT entry and in the non-present
						value */
	enum tdp_choice zap_flush_first;     /* an atomic zap flushes before it accounts */
	enum tdp_choice spurious_if_allowed; /* a fault that the leaf allows changes nothing */
	enum tdp_choice dirty_at_birth;	     /* a writable leaf always begins dirty */
	enum tdp_choice software_ad;	     /* A and D masks even without hardware A/D */
	enum tdp_choice quiet_spurious;	     /* no set_spte event for an unchanged leaf */
	enum tdp_choice shared_root_alloc;   /* roots are allocated under the shared lock */
	enum tdp_choice zap_each_level;	     /* a root is zapped level by level, in 4K steps */
	enum tdp_choice skip_invalid_roots;  /* a zap in an invalid root owes no flush */
	enum tdp_choice early_invalidation_check; /* retry before mmu_lock is taken */
	enum tdp_choice lockless_age;		  /* pages age without mmu_lock */
	enum tdp_choice slot_zap_all;		  /* quirk SLOT_ZAP_ALL: deleting a slot drops all
						     roots; off: its leaves only */
	enum tdp_range_flush_policy range_flush;
	enum tdp_dirty_track_policy dirty_track;
	enum tdp_choice eager_split;	   /* logged memory is split to 4K before it is written */
	enum tdp_choice clear_splits_last; /* clearing splits the last page asked for too */
	enum tdp_recovery_policy recovery;
	enum tdp_choice nx_huge_pages;	    /* huge leaves are never executable */
	enum tdp_choice nx_recovery_shared; /* NX recovery under the shared lock */
	enum tdp_choice nx_skip_logged;	    /* NX recovery leaves logged slots alone */
	enum tdp_entry_layout layout;	    /* of entries and role words, and their text */
	enum tdp_role_policy role;
	enum tdp_ret_pf_policy ret_pf;	     /* numbers of RET_PF results in events */
	enum tdp_choice narrow_fast_error;   /* fast_page_fault prints 32 bits of the error */
	enum tdp_choice log_youngest_first;  /* a CPU's log of written pages is read from its
						youngest entry on */
	enum tdp_choice removed_table_first; /* a removed table's events precede that of the
						entry that linked it */
	enum tdp_choice ept_read_is_user;    /* the error word of an EPT read has U; off: that of
						a user-mode address has, if the CPU reports it */
	enum tdp_choice exit_keeps_log;	     /* an exit to user space leaves pages in the CPU's log
						of writes, where a reader misses them (a bug of 6.18) */
};

/** What a policy is; the texts are the library's and stay. */
struct tdp_policy_info {
	const char *name;	  /* as an option has it: "huge-fault" */
	const char *help;	  /* what it does, a phrase */
	const char *since;	  /* release that changed it: "6.2"; NULL: no baseline differs */
	const char *const *words; /* words[i] is the name of value i + 1; ends with NULL */
	size_t offset;		  /* of the field in struct tdp_policy, an unsigned int */
};

/** Describes the policy number `index`, from 0; NULL if there are no more. */
TDP_API const struct tdp_policy_info *tdp_policy_describe(unsigned int index);

/**
 * Stores the value that policy number `index` has in a baseline, as its field holds it.
 *
 * -ENOENT  there is no such policy or baseline; *value is left alone
 */
TDP_API int tdp_policy_value(unsigned int index, enum tdp_baseline baseline, unsigned int *value);

/** The baseline's name as an option has it: "6.1"; of TDP_BASELINE_LATEST, the newest
    one's. NULL if there is no such baseline. */
TDP_API const char *tdp_baseline_name(enum tdp_baseline baseline);

/**
 * Stores the baseline of that name in *baseline; "latest" is TDP_BASELINE_LATEST.
 *
 * -ENOENT  there is none; *baseline is left alone
 */
TDP_API int tdp_baseline_find(const char *name, enum tdp_baseline *baseline);

#endif
