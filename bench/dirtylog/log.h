/*
 * The user space's part: turns logging on and off, reads the log and clears it, by
 * the bitmaps of the slots or by the rings of the vCPUs.
 */
#ifndef BENCH_DIRTYLOG_LOG_H
#define BENCH_DIRTYLOG_LOG_H

#include "dirtylog/options.h"

/* What a vCPU's own actor took from its ring while the guest ran. */
struct log_taken {
	_Alignas(128) struct tdp_dirty_page *pages;
	size_t count, room;
	uint64_t times; /* that the ring was full */
};

struct log {
	const struct dirtylog *options;
	const struct guest *guest; /* from log_begin() on */
	uint64_t **bitmaps;	   /* of each slot, as read last */
	struct log_taken *taken;   /* with rings: of each vCPU */
};

/* Before the guest is made: the log's memory is none of the guest's. */
void log_init(struct log *log, const struct dirtylog *options);
void log_fini(struct log *log);

/* Makes room for the slots of `guest`. */
void log_begin(struct log *log, const struct guest *guest);

/* Each is 0 or a negative errno of the library. */
int log_enable(struct log *log);
int log_disable(struct log *log);
/* Reads what was dirtied, and with bitmaps and no manual protection protects it again. */
int log_get(struct log *log);
/* With manual protection, or rings: forgets and protects what was read. */
int log_clear(struct log *log);

/* For a vCPU's actor: its ring is full. Takes what is in it and makes room. */
int log_make_room(struct log *log, unsigned int vcpu);
/* How often that was since the last log_get(). */
uint64_t log_rings_full(const struct log *log);

/* After log_get(): sets the bit of every page of the guest that it reported. */
void log_reported(struct log *log, uint64_t *reported);

#endif
