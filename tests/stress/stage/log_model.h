/*
 * A log model: a memslot whose writes are logged, and a model of what its dirty log must
 * report.
 *
 * The model counts each write of a page when it begins and when it is done. One player, the
 * collector, owns the log: it switches it on and off, reads it and clears it.
 *
 * Promise that is checked
 *   W1  Take a write that began after the log was switched on and after the page was last
 *       reported (with manual protection: cleared), and that was done before a read of the
 *       log begins. That read reports the page, or a second read does which begins after all
 *       accesses that were under way have ended: a vCPU that makes a page writable again
 *       marks it afterwards, and another vCPU may write it in between (D2 of mmu/dirty.h).
 *
 * `covered` is how many writes of the page had begun when its last report, or clear,
 * returned. If more than those are done, one of them began later, and must be reported. A
 * write that is not done may be reported or not.
 *
 * Order: both counts are incremented with acquire-release, before and after the access. The
 * thread that write-protects a page waits for accesses under way, so a later load of the
 * counts sees the writes that began before such an access.
 */
#ifndef TESTS_STRESS_STAGE_LOG_MODEL_H
#define TESTS_STRESS_STAGE_LOG_MODEL_H

#include "stress/stage/stress.h"

/* Sample pages of a 2M region: two neighbours, and others in other words of the log. */
#define LOG_MODEL_SAMPLES 4

struct log_model_config {
	unsigned int id;
	tdp_gfn_t gfn;
	unsigned int regions; /* of 2M */
	enum tdp_level page;  /* size of the backing pages */
};

struct log_model_page {
	atomic_u64 begun, done; /* incremented by the vCPUs */
	uint64_t covered;	/* of the collector alone */
	uint64_t done_before;	/* of the collector: done, when the read began */
	bool missed;		/* of the collector: the last read did not report the page */
};

struct log_model {
	struct stress *stress;
	struct log_model_config config;
	struct tdp_anon *anon;
	enum tdp_manual_protect manual;
	bool on; /* of the collector alone */
	/* Of each vCPU, which increments it with acquire-release: odd during an access. */
	atomic_u64 visits[STRESS_VCPUS_MAX];
	uint64_t *bitmap, *mask;
	size_t words;
	uint64_t reads; /* of the collector alone */
	unsigned int page_count;
	struct log_model_page pages[];
};

/* Creates the slot, without logging. NULL if there is no memory or slot. */
struct log_model *log_model_create(struct stress *stress, const struct log_model_config *config,
				   enum tdp_manual_protect manual);

#define LOG_MODEL_RING_FULL 2

/*
 * vCPU: writes the i-th sample page; writes or reads a random one. Returns
 * LOG_MODEL_RING_FULL if the dirty ring was full and the access was not made.
 */
int log_model_write(struct player *player, struct log_model *model, unsigned int i);
int log_model_visit(struct player *player, struct log_model *model);
/* The host discards the i-th sample page (of 4K memory) or its region; a random one. */
int log_model_discard_at(struct player *player, struct log_model *model, unsigned int i);
int log_model_discard(struct player *player, struct log_model *model);

/* For the collector. */
int log_model_switch(struct player *player, struct log_model *model, bool on);
/* Reads the log and checks W1; with manual protection clears part of it. */
int log_model_collect(struct player *player, struct log_model *model);
/* The same for all models of a VM with dirty rings: harvests and resets the rings. */
int log_model_collect_rings(struct player *player, struct log_model *const *models,
			    unsigned int count);
/* Deletes the slot and creates it again, without logging. */
int log_model_recreate(struct player *player, struct log_model *model);

/* Bodies of players whose `arg` is a log model. */
int log_model_writer(struct player *player);
int log_model_collector(struct player *player); /* all operations of the collector, at random */

#endif
