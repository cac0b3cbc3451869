/*
 * The book: what must have happened, by the rules of the fault path and the log, and
 * by what the guest drew. It keeps a byte for each 4K page of the guest, shares no
 * code with the library, and is written between the phases, while nobody is timed.
 *
 * A page is in one of five states; `in a huge leaf` means a leaf of 2M or 1G:
 *
 *   OPEN, SHUT		  mapped by 4K, writable or not
 *   HUGE_OPEN, HUGE_SHUT in a huge leaf, writable or not
 *   ABSENT		  not mapped
 *
 * When logging begins, without manual protection, all is protected: with eager splits
 * first made 4K. Where D flags tell what is written, 4K leaves stay writable; huge
 * ones lose W all the same. With manual protection (all pages marked at the
 * beginning) nothing happens until the first clear, which does the same to all that
 * it is given, that is to everything.
 *
 * Then an access makes one fault, which fixes (pf_fixed), if and only if
 *
 *   SHUT	a write: the leaf becomes OPEN
 *   HUGE_SHUT	a write. Split: the page becomes OPEN, the others of its 2M SHUT, the
 *		other 2M of a 1G leaf stay HUGE_SHUT. Zap: the page becomes OPEN, all
 *		others of the leaf ABSENT
 *   ABSENT	any access: the page becomes OPEN, and marked, even by a read: it is
 *		mapped writable at once
 *
 * Marked is what was written, and what became OPEN from ABSENT. Reading the log (or
 * clearing it) makes SHUT of what it reports, where leaves are protected to tell.
 *
 * So with split, eager or on fault, pf_fixed is the number of distinct pages written,
 * as far as they were protected. With zap it is the number of distinct pages
 * accessed, but for those reads that come before the first write to their huge leaf.
 *
 * Which reads those are depends on who is faster where several vCPUs share a leaf, so
 * there the book asks the log: such a page is in it exactly if it has faulted. In two
 * cases it gives a range: vCPUs that share pages under kernels before 6.13, which
 * count a page as fixed twice where two meet, and rings that are reset while the
 * guest writes: a page that is accessed again is protected again, and so is the one
 * whose fault filled the ring, before the write that faulted has been made.
 */
#ifndef BENCH_DIRTYLOG_BOOK_H
#define BENCH_DIRTYLOG_BOOK_H

#include "dirtylog/options.h"

struct book {
	const struct dirtylog *options;
	bool dbit, eager, zap, fixes_twice; /* by the policies in use */
	uint64_t pages;			    /* of the guest */
	uint8_t *state;			    /* of each page */
	unsigned int *gone; /* of each backing page: 1 + the vCPU that may tell it is zapped */
	uint64_t *written, *marked, *doubtful, *reported;
	uint64_t fixed, accesses; /* in the dirty phase so far */
	uint64_t lost_most;	  /* as in struct verdict */
};

/* What a dirty phase and the log after it must have come to. */
struct verdict {
	uint64_t written;		  /* distinct pages */
	uint64_t reported;		  /* by the log */
	uint64_t lost;			  /* written, but not reported */
	uint64_t lost_most;		  /* by the documented bug of the baseline */
	uint64_t surplus;		  /* reported without a reason */
	uint64_t fixed_least, fixed_most; /* pf_fixed of the dirty phase */
};

/* Before the guest is made: the book's memory is none of the guest's. */
void book_init(struct book *book, const struct dirtylog *options);
void book_fini(struct book *book);

/* Policies are known: the populated guest, and logging enabled. */
void book_enable(struct book *book, const struct tdp_policy *policy);

/* All vCPUs have done what they drew for `iteration`. */
void book_dirty(struct book *book, unsigned int iteration);

/*
 * Where the log's report is to be put: an empty set. Then book_judge() compares (told
 * how often a vCPU found its ring full), and book_clear() notes that what was reported has been
 * protected again.
 */
uint64_t *book_report(struct book *book);
struct verdict book_judge(struct book *book, uint64_t rings_full);
void book_clear(struct book *book);

#endif
