/*
 * The fault path: from an exit to an entry, in upstream's order
 *
 * Rules: Linux arch/x86/kvm/mmu/mmu.c, kvm_mmu_page_fault(), direct_page_fault()
 * and kvm_tdp_mmu_page_fault(), 6.1, 6.12 and the 7.0 cycle.
 */
#ifndef TDPSIM_MMU_FAULT_H
#define TDPSIM_MMU_FAULT_H

#include <tdpsim/vcpu.h>

#include "mmu/descent.h"

/* The error word that both vendors' exits are turned into (Linux PFERR_*). */
#define PFERR_PRESENT	  (1ULL << 0)
#define PFERR_WRITE	  (1ULL << 1)
#define PFERR_USER	  (1ULL << 2)
#define PFERR_RSVD	  (1ULL << 3)
#define PFERR_FETCH	  (1ULL << 4)
#define PFERR_GUEST_FINAL (1ULL << 32)
#define PFERR_GUEST_PAGE  (1ULL << 33)

/* An EPT violation's exit qualification: SDM vol. 3, table 28-7. */
#define EPT_VIOLATION_READ    1ULL
#define EPT_VIOLATION_FETCH   4ULL
#define EPT_VIOLATION_PRESENT 0x78ULL /* the rights that there were */
#define EPT_VIOLATION_USER                                                                         \
	0x200ULL /* of a user-mode linear address (advanced exit information)                      \
		  */

/* The result of a step of the path, unless it is a negative errno (KVM's RET_PF_*). */
enum fault_step {
	STEP_CONTINUE, /* go on with the next step */
	STEP_RETRY,
	STEP_EMULATE,
	STEP_WRITE_PROTECTED,
	STEP_INVALID, /* this path cannot decide: take the full one */
	STEP_FIXED,
	STEP_SPURIOUS,
	STEP_WAIT, /* leave the section, wait for the source, begin again (S1 of source.h) */
};

struct fault {
	struct mmu_context *context;
	uint64_t gpa;
	tdp_gfn_t gfn;
	uint64_t error; /* PFERR bits */
	enum tdp_access access;

	/* Valid in the section that looked the slot up. */
	const struct memslots *slots;
	const struct memslot *slot; /* NULL: a hole */
	struct descent descent;	    /* the fast path's */

	/* Set by the page step. */
	uint64_t snapshot; /* of the invalidation sequence */
	uint32_t releases; /* of page sources; with STEP_WAIT */
	struct source_page page;

	/* Set by the choice of the level. */
	tdp_pfn_t pfn; /* of the new leaf */
	unsigned int goal;
	unsigned int huge; /* the level that slot and host allow */
	/* NX huge pages: they are on (false where it makes no difference); a fetch forbids a huge
	 * leaf here from now on. */
	bool nx, huge_disallowed;
};

/*
 * Handles one exit inside an RCU section that it opens itself. Returns a
 * fault_step (never CONTINUE, WAIT or INVALID) or a negative errno.
 */
int mmu_page_fault(struct mmu_context *context, const struct tdp_fault *exit);

/* An entry without rights can be repaired without mmu_lock only if ageing takes all rights. */
static inline bool fault_may_be_fast(const struct mmu_context *context, uint64_t error)
{
	if (error & PFERR_RSVD)
		return false;
	if (!(error & PFERR_PRESENT))
		return !context->actor.mmu->encoding.hardware_ad;
	return error & PFERR_WRITE;
}

/* The parts, each in its own file. */
int fault_fast(struct fault *fault);			      /* fast.c: no lock */
int fault_mmio(struct fault *fault);			      /* mmio.c */
int fault_hole(struct fault *fault);			      /* mmio.c: no slot here */
int fault_map(struct mmu_shared shared, struct fault *fault); /* map.c */

#endif
