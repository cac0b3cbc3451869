/*
 * History: the last changes of entries, kept under check, so that a violation is reported with the
 * changes that led to it. One ring for the VM; the oldest record is overwritten. Changes of an
 * entry that maps nothing before and after are left out, as are the flags that the hardware sets.
 *
 * Order: all relaxed. A record may be torn while others write; it only becomes words in a report,
 * and the checker reads while nothing changes.
 */
#ifndef TDPSIM_MMU_HISTORY_H
#define TDPSIM_MMU_HISTORY_H

#include <tdpsim/host.h>

#include "platform/atomic.h"

#define HISTORY_BYTES 256 /* for history_describe() */

struct history_record {
	atomic_u64 where; /* gfn, level, address space, actor, in one word */
	atomic_u64 old, new;
};

struct history {
	struct history_record *records; /* immutable; NULL without check */
	atomic_u64 written;
};

struct change_record {
	tdp_gfn_t gfn;
	unsigned int level;
	unsigned int address_space;
	int vcpu; /* or -1 */
	uint64_t old, new;
};

/* -ENOMEM */
int history_init(struct history *history, struct tdp_host *host);
void history_fini(struct history *history, struct tdp_host *host);

void history_add(struct history *history, const struct change_record *change);

/*
 * The last changes of the entries that map `gfn`, youngest first, in words that continue a
 * sentence; empty if none is known.
 */
void history_describe(const struct history *history, unsigned int address_space, tdp_gfn_t gfn,
		      char words[HISTORY_BYTES]);

#endif
