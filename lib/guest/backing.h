/*
 * Resolving a guest page: where a slot's memory comes from. The slot knows its
 * backing; the backing's calls are the only road from here to the host's memory.
 */
#ifndef TDPSIM_GUEST_BACKING_H
#define TDPSIM_GUEST_BACKING_H

#include <errno.h>

#include "guest/memslot.h"

/* 0 or the backing's errno; a read-only slot never gives a writable page. */
static inline int backing_resolve(const struct memslot *slot, struct host_caller *caller,
				  tdp_gfn_t gfn, bool write, struct tdp_backing_page *page)
{
	const struct tdp_backing *backing = slot->backing;
	int err;

	err = backing->ops->resolve(backing->context, caller, memslot_hva(slot, gfn), write, page);
	if (!err && slot->read_only)
		page->writable = false;
	return err;
}

/* The page that is there now, if the backing can tell: 0, -ENOENT or -EAGAIN. */
static inline int backing_peek(const struct memslot *slot, tdp_gfn_t gfn,
			       struct tdp_backing_page *page)
{
	const struct tdp_backing *backing = slot->backing;

	if (!backing->ops->peek)
		return -EAGAIN;
	return backing->ops->peek(backing->context, memslot_hva(slot, gfn), page);
}

/* `page` is a copy, so that the caller's needs no memory where nobody wants to hear. */
static inline void backing_release(const struct memslot *slot, tdp_gfn_t gfn,
				   struct tdp_backing_page page, bool mapped_writable)
{
	const struct tdp_backing *backing = slot->backing;

	if (__builtin_expect(backing->ops->release != NULL, 0)) {
		struct tdp_backing_page told = page;

		backing->ops->release(backing->context, memslot_hva(slot, gfn), &told,
				      mapped_writable);
	}
}

/*
 * The level at which the host maps the page now; meaningful under mmu_lock only. A
 * backing that says "not mapped" for a hole means 4K, as a hole in the host's tables does.
 */
static inline unsigned int backing_level(const struct memslot *slot, tdp_gfn_t gfn)
{
	const struct tdp_backing *backing = slot->backing;
	unsigned int level;

	if (slot->anon)
		return page_map_level(&slot->anon->map, gfn.n + slot->anon_offset);
	level = backing->ops->level(backing->context, memslot_hva(slot, gfn));
	return level ? level : TDP_4K;
}

/*
 * The largest level that the slot and the host's own mapping allow over a frame, up
 * to `level`; meaningful under mmu_lock only (kvm_mmu_max_mapping_level(), 6.12).
 */
static inline unsigned int backing_mapping_level(const struct memslot *slot, tdp_gfn_t gfn,
						 unsigned int level)
{
	unsigned int host;

	if (level > slot->max_level)
		level = slot->max_level;
	while (level > TDP_4K && !memslot_allows(slot, gfn, level))
		level--;
	if (level == TDP_4K)
		return TDP_4K;
	host = backing_level(slot, gfn);
	return host < level ? host : level;
}

#endif
