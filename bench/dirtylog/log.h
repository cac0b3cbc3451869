/*
 * What user space does: switches logging on and off, reads the log and clears it, by the bitmaps of
 * the slots or the rings of the vCPUs.
 */
#ifndef BENCH_DIRTYLOG_LOG_H
#define BENCH_DIRTYLOG_LOG_H

#include "dirtylog/options.h"

/* What the actor of a vCPU took from its ring while the guest ran. */
struct log_taken {
	_Alignas(128) struct tdp_dirty_page *pages;
	size_t count, room;
	uint64_t times; /* how often the ring was full */
};

struct log {
	const struct dirtylog *options;
	const struct guest *guest; /* from log_begin() on */
	uint64_t **bitmaps;	   /* of each slot, from the last read */
	struct log_taken *taken;   /* of each vCPU, with rings */
};

/* Called before the guest is made, so that the log does not count as its memory. */
void log_init(struct log *log, const struct dirtylog *options);
void log_fini(struct log *log);

/* Allocates bitmaps for the slots of `guest`. */
void log_begin(struct log *log, const struct guest *guest);

/* Each returns 0 or a negative errno of the library. */
int log_enable(struct log *log);
int log_disable(struct log *log);
/* Reads the dirty pages; bitmaps without manual protection protect them again. */
int log_get(struct log *log);
/* With manual protection, or rings: clears what was read, and protects it again. */
int log_clear(struct log *log);

/* For the actor of a vCPU whose ring is full: empties and resets it. */
int log_make_room(struct log *log, unsigned int vcpu);
/* How often that happened since the last log_get(). */
uint64_t log_rings_full(const struct log *log);

/* After log_get(): sets the bit of every page that it reported. */
void log_reported(struct log *log, uint64_t *reported);

#endif
