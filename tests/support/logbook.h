/*
 * A logbook: a slot whose writes are logged, and a plain model of the log.
 *
 * Each write of a page is counted when it begins and when it is done. One player,
 * the collector, owns the slot's log: it turns it on and off, reads it and clears it.
 *
 * Promise that is checked
 *   W1  A write that began after the log was turned on, or after the page was last
 *       reported (with manual protection: cleared), and that was done before a read
 *       of the log begins, is in what that read reports, or in what a read does that
 *       begins when all visits have ended that were under way then: a vCPU that gives
 *       a right to write back marks the page after it did, and another may have used
 *       the right (D2 of mmu/dirty.h).
 *
 * How the model knows: `covered` is how many writes of the page had begun when the
 * last report, or clear, of it returned. Once more than those are done, one of them
 * began later. A write under way may be reported or not; it is owed only when done.
 *
 * Order: both counts are added to with acquire-release, before and after the access.
 * Whoever takes a page's rights away waits for accesses that are under way, so what
 * began before such an access is seen by who reads the counts afterwards.
 */
#ifndef TESTS_SUPPORT_LOGBOOK_H
#define TESTS_SUPPORT_LOGBOOK_H

#include "support/stress.h"

/* Pages of a 2M region that are written: neighbours, and one in another word of the log. */
#define LOGBOOK_SPOTS 4

struct logbook_config {
	unsigned int id;
	tdp_gfn_t gfn;
	unsigned int regions; /* of 2M */
	enum tdp_level page;  /* of the memory below */
};

struct logbook_page {
	atomic_u64 begun, done; /* by the vCPUs that write */
	uint64_t covered;	/* the collector's */
	uint64_t done_before;	/* the collector's: when the read began */
	bool missed;		/* the collector's: the last read did not report it */
};

struct logbook {
	struct stress *stress;
	struct logbook_config config;
	struct tdp_anon *anon;
	enum tdp_manual_protect manual;
	bool on; /* the collector's */
	/* The vCPUs' own: visits begun and visits ended; odd while one is under way. */
	atomic_u64 visits[STRESS_VCPUS_MAX];
	uint64_t *bitmap, *mask;
	size_t words;
	uint64_t reads; /* the collector's */
	unsigned int page_count;
	struct logbook_page pages[];
};

/* The slot, not logged yet. NULL if it cannot be. */
struct logbook *logbook_create(struct stress *stress, const struct logbook_config *config,
			       enum tdp_manual_protect manual);

#define LOGBOOK_RING_FULL 2

/*
 * vCPU: writes the i-th page of those that are written; writes, or reads, a random one.
 * Its ring may be full: the access was not made.
 */
int logbook_write(struct player *player, struct logbook *book, unsigned int i);
int logbook_visit(struct player *player, struct logbook *book);
/* The host takes the i-th page back (of 4K memory), or its region; or a random one. */
int logbook_take_back(struct player *player, struct logbook *book, unsigned int i);
int logbook_discard(struct player *player, struct logbook *book);

/* For the collector. */
int logbook_turn(struct player *player, struct logbook *book, bool on);
/* Reads the log and judges it (W1); with manual protection clears some of it. */
int logbook_collect(struct player *player, struct logbook *book);
/* The same for all books of a VM whose log is in rings: harvests and recycles them. */
int logbook_collect_rings(struct player *player, struct logbook *const *books, unsigned int count);
/* Deletes the slot and creates it again, not logged. */
int logbook_recreate(struct player *player, struct logbook *book);

/* Bodies whose `arg` is a logbook. */
int logbook_writer(struct player *player);
int logbook_collector(struct player *player); /* all of the above, in turn */

#endif
