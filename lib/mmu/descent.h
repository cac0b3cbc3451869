/*
 * The descent from a root to the entry of a frame, without a lock, inside an RCU section
 *
 * It ends at the first entry that links no table. A fault makes it before it asks for the page, so
 * that the entry's cache line arrives meanwhile, and looks at the last link again under mmu_lock.
 * While that link stands, all links above it stand: whoever unlinks a table also freezes all
 * entries of the tables below it (C3 of change.h), before mmu_lock is dropped or, under the
 * shared lock, so that a fault's compare-and-swap fails. A table's frame is not used again
 * before the RCU section ends.
 *
 * In a header, so that the result stays in registers.
 */
#ifndef TDPSIM_MMU_DESCENT_H
#define TDPSIM_MMU_DESCENT_H

#include "mmu/context.h"

/* An entry, and the entry above that links its table. */
struct descent {
	atomic_u64 *slot;
	atomic_u64 *link; /* NULL: the slot is in the root */
	uint64_t linked;  /* the value of *link */
	unsigned int level;
};

/* The constants of one descent, which each step uses. */
struct descent_constants {
	const struct mmu *mmu;
	uint64_t mask, bits; /* of context->links */
	uint8_t *window;
	tdp_gfn_t gfn;
	bool trusted_only; /* stop at a link that one comparison does not recognise */
};

/* Does the entry link a table? For an entry that one comparison does not recognise. */
static __attribute__((noinline, cold)) bool descent_examine(const struct mmu *mmu, uint64_t entry,
							    tdp_gfn_t gfn, unsigned int level)
{
	return spte_table_above_4k(&mmu->encoding, entry) &&
	       table_is_linked(mmu->host, entry, gfn, level);
}

/*
 * One step down. One comparison tells whether the entry links a table within the host's
 * tables. Under `check` no entry passes it, so that each link is examined.
 */
__attribute__((always_inline)) static inline bool descent_step(struct descent_constants constants,
							       struct descent *at,
							       unsigned int level)
{
	uint64_t entry = u64_load_acquire(at->slot); /* T1 of table.h */

	if (__builtin_expect((entry & constants.mask) != constants.bits, 0) &&
	    (constants.trusted_only ||
	     !descent_examine(constants.mmu, entry, constants.gfn, level)))
		return false;
	*at = (struct descent){
		.slot = (atomic_u64 *)(constants.window + (entry & ENTRY_ADDRESS)) +
			entry_index(constants.gfn.n, level - 1),
		.link = at->slot,
		.linked = entry,
		.level = level - 1,
	};
	return true;
}

/* One step for each level, so that each has a constant shift. */
__attribute__((always_inline)) static inline struct descent descend(
	const struct mmu_context *context, tdp_gfn_t gfn, bool trusted_only)
{
	const struct mmu *mmu = context->actor.mmu;
	struct descent_constants constants = {
		.mmu = mmu,
		.mask = context->links.mask,
		.bits = context->links.bits,
		.window = mmu->host->window,
		.gfn = gfn,
		.trusted_only = trusted_only,
	};
	struct descent at = {
		.slot = context->root.entries + entry_index(gfn.n, context->role.root_level),
		.level = context->role.root_level,
	};

	if ((__builtin_expect(at.level == 4, 1) || descent_step(constants, &at, 5)) &&
	    descent_step(constants, &at, 4) && descent_step(constants, &at, 3))
		descent_step(constants, &at, 2);
	return at;
}

/* For an entry that is about to be changed. */
__attribute__((always_inline)) static inline struct descent descend_to_write(
	const struct mmu_context *context, tdp_gfn_t gfn)
{
	struct descent at = descend(context, gfn, false);

	__builtin_prefetch(at.slot, 1);
	return at;
}

#endif
