/*
 * History: the last changes of entries, kept under check, so that a violation comes
 * with how it got there. One ring for the VM; the oldest is overwritten. Changes of
 * an entry that maps nothing before and after are left out, as are the flags that
 * the hardware sets.
 *
 * Order: all relaxed. A record may be torn while others write; nothing but words in
 * a report is made of it, and the checker reads while nobody writes.
 */
#ifndef TDPSIM_MMU_HISTORY_H
#define TDPSIM_MMU_HISTORY_H

#include <tdpsim/host.h>

#include "platform/atomic.h"

#define HISTORY_BYTES 256 /* for history_tell() */

struct history_record {
	atomic_u64 where; /* gfn, level, address space, who, in one word */
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
 * The last changes of whatever maps `gfn`, youngest first, in words that go on from
 * a sentence; empty if none is known.
 */
void history_tell(const struct history *history, unsigned int address_space, tdp_gfn_t gfn,
		  char words[HISTORY_BYTES]);

#endif
