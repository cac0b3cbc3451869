#ifndef TDPSIM_WALK_H
#define TDPSIM_WALK_H

#include <stdio.h>

#include <tdpsim/host.h>
#include <tdpsim/policy.h>

/**
 * The hardware's walk of the second level, and of a guest's own page tables
 * through it. It reads frames through the entry format alone and shares no code
 * with the library's MMU, so it can contradict it.
 *
 * Sources: SDM vol. 3, 29.3 (EPT) and 28.2.1 (exit qualification); APM vol. 2,
 * 15.25 (nested paging) and 5.3 (long-mode paging).
 */

/** Features of the machine that walks. All zero: NPT, 4 levels, all features off. */
struct tdp_walk_config {
	size_t size; /* see tdpsim/types.h */
	enum tdp_format format;
	unsigned int levels;	 /* 4 or 5; 0 means 4 */
	unsigned int maxphyaddr; /* N, 36 to 52; 0 means 52 */
	bool no_2m;		 /* the CPU has no 2M leaves: bit 7 is reserved */
	bool no_1g;
	/* EPT */
	bool ad;		 /* EPTP bit 6: accessed and dirty flags */
	bool execute_only;	 /* capability bit 0 */
	bool mbec;		 /* mode-based execute control: bit 10 is XU */
	bool advanced_exit_info; /* capability bit 22: qualification bits 9 to 11 */
	/* NPT */
	bool host_nxe;	/* host EFER.NXE; bit 63 is reserved without it */
	bool host_smep; /* host CR4.SMEP; with host_nxe it decides whether ID is reported */
	bool gmet;	/* guest-mode execute trap */
	bool reserved_not_present; /* a reserved bit is reported without P, as an emulated CPU
				      does (QEMU TCG); hardware sets both */
	/** A guest-physical address wider than the walk faults as reserved, not as not-present. */
	bool wide_gpa_reserved;
	/** For tdp_dump_walk() and tdp_dump_tables(): where the MMU keeps its own bits; 0: as
	 * until 7.1. */
	enum tdp_entry_layout layout;
};

/**
 * An EPT pointer as VM entry judges it (SDM vol. 3, 25.6.11 and 27.2.1.1).
 * `capabilities` is the low half of IA32_VMX_EPT_VPID_CAP.
 *
 * -EINVAL  VM entry would fail (or `maxphyaddr` is not 36 to 52)
 */
TDP_API int tdp_eptp_check(uint64_t eptp, uint64_t capabilities, unsigned int maxphyaddr);

/** Guest paging as the guest's control registers select it. */
enum tdp_paging_mode {
	TDP_PAGING_NONE,     /* CR0.PG = 0: linear is physical */
	TDP_PAGING_32BIT,    /* two levels, 4M pages with CR4.PSE */
	TDP_PAGING_LONG,     /* four levels */
	TDP_PAGING_LONG_LA57 /* five levels */
};

struct tdp_guest_paging {
	enum tdp_paging_mode mode;
	uint64_t cr3;
	bool pse;  /* CR4.PSE, 32-bit mode only */
	bool wp;   /* CR0.WP */
	bool nxe;  /* guest EFER.NXE */
	bool smep; /* guest CR4.SMEP */
	bool smap; /* guest CR4.SMAP with EFLAGS.AC clear */
};

/** One access of a guest. */
struct tdp_walk_request {
	uint64_t address; /* guest-linear for tdp_walk(), guest-physical for tdp_walk_gpa() */
	enum tdp_access access;
	bool user;	     /* CPL 3; for tdp_walk_gpa(): the linear address was a user one */
	bool table;	     /* tdp_walk_gpa() only: access to a guest paging-structure entry */
	bool linear_invalid; /* there is no linear address (qualification bit 7 clear) */
	bool no_update;	     /* set no accessed or dirty flag, the guest's or ours */
};

enum tdp_walk_outcome {
	TDP_WALK_DONE,
	TDP_WALK_VIOLATION,   /* EPT violation; NPT fault without a reserved bit */
	TDP_WALK_MISCONFIG,   /* EPT misconfiguration; NPT fault with a reserved bit */
	TDP_WALK_GUEST_FAULT, /* the guest's own tables refuse the access: #PF, no exit. A linear
				 address that is not canonical (#GP) too, with error code 0 */
	TDP_WALK_NO_FRAME,    /* an entry points at memory the host does not have */
	TDP_WALK_LOG_FULL,    /* a vCPU's walk only: the CPU's log of written pages is full */
};

/** One bit for each kind of access, by supervisor code or by code at CPL 3. */
#define TDP_RIGHT(access, user) (1U << (2 * (unsigned int)(access) + ((user) ? 1 : 0)))
#define TDP_RIGHTS_ALL		0x3fU

struct tdp_walk_result {
	enum tdp_walk_outcome outcome;
	/** Done: the 4 KiB host frame of the access, and the smallest leaf that maps it. */
	tdp_pfn_t pfn;
	unsigned int level;
	/** Done: what guest tables and second level together allow code of that privilege ... */
	bool writable, executable;
	/** ... and whether code at CPL 3 may read. */
	bool user;
	/** Done: TDP_RIGHT(access, user) for each kind of access that both allow, for a TLB. */
	uint8_t rights;
	/** Done: both leaves have their dirty flag (or keep none): writes need no walk. */
	bool dirty;
	/** Guest-physical address that was being translated; the faulting one on a fault. */
	uint64_t gpa;
	/** EPT: exit qualification (0 for a misconfiguration). NPT: EXITINFO1. */
	uint64_t error_code;
	/** Guest fault: the #PF error code. */
	uint32_t guest_error_code;
	/** The second-level entry at which the walk of `gpa` ended. */
	uint64_t entry;
	unsigned int entry_level;
	/** EPT: the entry's bit 63 (suppress #VE) is clear. */
	bool ve_convertible;
};

/**
 * Translates a guest-physical address through the tables under `root`, with the
 * checks, the order and the A/D updates of the hardware. Takes no lock: the caller
 * makes sure that no table is freed. For a vCPU in guest mode the flush protocol
 * does; others must keep anyone from removing tables.
 *
 * -EINVAL  the config, or the request, is out of range (the host's report says
 *          which); *result is left alone
 */
TDP_API int tdp_walk_gpa(const struct tdp_host *host, const struct tdp_walk_config *config,
			 tdp_pfn_t root, const struct tdp_walk_request *request,
			 struct tdp_walk_result *result);

/** The same for a guest-linear address; reads guest tables through the second level. */
TDP_API int tdp_walk(const struct tdp_host *host, const struct tdp_walk_config *config,
		     tdp_pfn_t root, const struct tdp_guest_paging *paging,
		     const struct tdp_walk_request *request, struct tdp_walk_result *result);

/**
 * Prints how `gpa` is translated: a line for each entry on the path, from the root
 * down, and a last one with the outcome. Changes no entry.
 *
 * -EINVAL  as tdp_walk_gpa()
 * -EIO     writing to `out` failed
 */
TDP_API int tdp_dump_walk(const struct tdp_host *host, const struct tdp_walk_config *config,
			  tdp_pfn_t root, uint64_t gpa, FILE *out);

/**
 * Prints the tree under `root`, indented by level. Neighbouring leaves that map
 * neighbouring frames with the same flags share a line. After `max_lines` lines (0: no
 * limit) a last line says that there is more. Other threads may change the tree
 * meanwhile; the caller makes sure that no table of it is freed.
 */
TDP_API int tdp_dump_tables(const struct tdp_host *host, const struct tdp_walk_config *config,
			    tdp_pfn_t root, unsigned int max_lines, FILE *out);

#endif
