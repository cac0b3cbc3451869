/*
 * A model of what must happen, by the rules of the fault path and of the log, and by what the
 * vCPUs access (draw.h). It has a byte for each 4K page of the guest, shares no code with the
 * library, and is updated between the phases, while nothing is timed.
 *
 * A page is in one of five states. A huge leaf is one of 2M or 1G:
 *
 *   OPEN, SHUT			mapped by 4K, writable or not
 *   HUGE_OPEN, HUGE_SHUT	mapped by a huge leaf, writable or not
 *   ABSENT			not mapped
 *
 * When logging begins without manual protection, all leaves are protected; eager splitting
 * splits them to 4K first. If D flags track writes, 4K leaves stay writable, but huge ones
 * lose W. With manual protection every page is marked at first, and nothing is protected
 * until the first clear, which then protects all that it is given: every page.
 *
 * After that an access takes one fault that fixes (pf_fixed) if and only if
 *
 *   SHUT	it is a write: the page becomes OPEN
 *   HUGE_SHUT	it is a write. Split: the page becomes OPEN, the other pages of its 2M SHUT,
 *		and the other 2M of a 1G leaf stay HUGE_SHUT. Zap: the page becomes OPEN, and
 *		all other pages of the leaf ABSENT
 *   ABSENT	always: the page becomes OPEN and is marked, even by a read, because it is
 *		mapped writable
 *
 * A page is marked when it is written, and when it becomes OPEN from ABSENT. Reading the log,
 * or clearing it, makes the reported pages SHUT, if leaves are protected to track writes.
 *
 * So with splits pf_fixed is the number of distinct protected pages that are written. With
 * zap it is the number of distinct pages that are accessed, except for reads before the
 * first write to their huge leaf.
 *
 * Which reads those are depends on timing if several vCPUs share a leaf. The model then takes
 * it from the log: such a page is in the log exactly if it has faulted. In two cases the model
 * has a range: with vCPUs that share pages under kernels before 6.13, which count a page as
 * fixed twice if two vCPUs fault on it together; and with rings that are reset while the
 * guest runs: a page that is accessed again was protected again, as was the page whose fault
 * filled the ring, before its write was done.
 */
#ifndef BENCH_DIRTYLOG_MODEL_H
#define BENCH_DIRTYLOG_MODEL_H

#include "dirtylog/options.h"

struct model {
	const struct dirtylog *options;
	bool dbit, eager, zap, fixes_twice; /* from the policies in use */
	uint64_t pages;			    /* of the guest */
	uint8_t *state;			    /* of each page */
	unsigned int *gone; /* of each backing page: 1 + a vCPU that has written it and so unmapped
			       it; 0: none */
	uint64_t *written, *marked, *doubtful, *reported;
	uint64_t fixed, accesses; /* in the dirty phase so far */
	uint64_t lost_most;	  /* as in struct verdict */
};

/* The expected results of a dirty phase and of the log after it, and the findings. */
struct verdict {
	uint64_t written;		  /* distinct pages */
	uint64_t reported;		  /* by the log */
	uint64_t lost;			  /* written, but not reported */
	uint64_t lost_most;		  /* by the documented bug of the baseline */
	uint64_t surplus;		  /* reported, but not marked */
	uint64_t fixed_least, fixed_most; /* pf_fixed of the dirty phase */
};

/* Called before the guest is made, so that the model does not count as its memory. */
void model_init(struct model *model, const struct dirtylog *options);
void model_fini(struct model *model);

/* Logging has been enabled in the populated guest. */
void model_enable(struct model *model, const struct tdp_policy *policy);

/* All vCPUs have made the accesses of `iteration`. */
void model_dirty(struct model *model, unsigned int iteration);

/*
 * Returns an empty set for the pages that the log reports. Then model_judge() compares, given how
 * often a vCPU found its ring full, and model_clear() records that the reported pages have been
 * protected again.
 */
uint64_t *model_report(struct model *model);
struct verdict model_judge(struct model *model, uint64_t rings_full);
void model_clear(struct model *model);

#endif
