/* The page behind a frame of a slot: the only calls from here to the memory of the host. */
#ifndef TDPSIM_GUEST_SLOT_PAGE_H
#define TDPSIM_GUEST_SLOT_PAGE_H

#include "guest/memslot.h"

/* Asks the source: 0 or its errno. A read-only slot never gives a writable page. */
static inline int slot_page_make(const struct memslot *slot, struct host_caller *caller,
				 tdp_gfn_t gfn, bool write, struct source_page *page)
{
	const struct page_source *source = slot->memory[MEMORY_SHARED].source;
	int err = source->ops->resolve(source, caller, memslot_page(slot, MEMORY_SHARED, gfn),
				       write, page);

	if (!err && slot->read_only)
		page->writable = false;
	return err;
}

/* The same, without a call for a page that the source's map has. */
static inline int slot_page_resolve(const struct memslot *slot, struct host_caller *caller,
				    tdp_gfn_t gfn, bool write, struct source_page *page)
{
	const struct page_source *source = slot->memory[MEMORY_SHARED].source;
	struct mapped_page found;

	if (!source->map || source->read_only ||
	    !page_map_find(source->map, memslot_page(slot, MEMORY_SHARED, gfn), &found))
		return slot_page_make(slot, caller, gfn, write, page);
	page->pfn = found.pfn;
	page->level = found.level;
	page->writable = !slot->read_only;
	page->device = false;
	return 0;
}

/* The page that is there now, if the source can tell: 0, -ENOENT or -EAGAIN. */
static inline int slot_page_peek(const struct memslot *slot, tdp_gfn_t gfn,
				 struct source_page *page)
{
	const struct page_source *source = slot->memory[MEMORY_SHARED].source;

	return source->ops->peek(source, memslot_page(slot, MEMORY_SHARED, gfn), page);
}

/* `page` is a copy, so that the caller's may stay in registers where no source wants it. */
static inline void slot_page_release(const struct memslot *slot, tdp_gfn_t gfn,
				     struct source_page page, bool mapped_writable)
{
	const struct page_source *source = slot->memory[MEMORY_SHARED].source;

	if (__builtin_expect(source->ops->release != NULL, 0)) {
		struct source_page released = page;

		source->ops->release(source, memslot_page(slot, MEMORY_SHARED, gfn), &released,
				     mapped_writable);
	}
}

/* The level at which the source maps the page now; meaningful under mmu_lock only. */
static inline unsigned int slot_page_level(const struct memslot *slot, tdp_gfn_t gfn)
{
	const struct page_source *source = slot->memory[MEMORY_SHARED].source;

	if (slot->plain)
		return page_map_level(slot->plain, gfn.n + slot->plain_offset);
	return source->ops->level(source, memslot_page(slot, MEMORY_SHARED, gfn));
}

#endif
