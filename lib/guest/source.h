/*
 * Page sources: where the pages of a memslot come from
 *
 * A page source numbers its pages of 4K, aligned as its huge pages are: page 512 * n begins a 2M
 * page. Anonymous memory (anon.h) and a backing that a program scripts itself (scripted.h) are page
 * sources; so is a guest_memfd file. A memslot has two, for shared and for private memory
 * (memslot.h). Nothing above this header speaks of host virtual addresses.
 *
 * Rules
 *   S1  A resolve inside an RCU section waits for no actor that may wait for a grace period. A
 *       source whose lock is held across grace periods (a file under conversion) returns -EAGAIN
 *       instead. Its holder calls source_release_waiters() once it has let go. The fault leaves its
 *       section first, then waits for that call (source_wait()), and then begins again at the
 *       lookup of the slot: the slot, the source and the page may all be others by then.
 *   S2  Between snapshot and check of the invalidation sequence (N2 of mmu/invalidate.h) a page
 * that was resolved needs no reference: the source reports to the host's notifiers before a page
 *       changes hands.
 *
 * Order of S1: the waiter reads the host's count of releases (acquire) before it resolves. The
 * holder lets go, adds one (acquire-release) and wakes. So a holder that was met before the count
 * was read is waited for only as long as the count stays the same: a release is never missed. The
 * count belongs to the host, so a waiter refers to no source that may end meanwhile.
 */
#ifndef TDPSIM_GUEST_SOURCE_H
#define TDPSIM_GUEST_SOURCE_H

#include <errno.h>

#include "host/notify.h"
#include "host/page_map.h"

/* A page as its source has it. */
struct source_page {
	tdp_pfn_t pfn;
	/*
	 * The level at which the source has the page, if that changes only while an invalidation of
	 * the page is open. TDP_NOT_MAPPED: level() must be asked under mmu_lock.
	 */
	unsigned int level;
	bool writable; /* the source allows writes */
	bool device;   /* not RAM: mapped uncached */
};

struct page_source_ops {
	/*
	 * Finds or allocates page `index`. 0; -EFAULT, -EHWPOISON, -ENOMEM; -EAGAIN only of a
	 * source with `may_wait` (S1).
	 */
	int (*resolve)(const struct page_source *source, struct host_caller *caller, uint64_t index,
		       bool write, struct source_page *page);
	/* Ends what resolve() began. NULL: nothing to end. */
	void (*release)(const struct page_source *source, uint64_t index,
			const struct source_page *page, bool mapped_writable);
	/* At which level the source maps page `index` now, 4K where it has none. Must not block. */
	unsigned int (*level)(const struct page_source *source, uint64_t index);
	/*
	 * The page that resolve() would find, with nothing allocated: 0, -ENOENT, -EAGAIN. Must not
	 * block.
	 */
	int (*peek)(const struct page_source *source, uint64_t index, struct source_page *page);
	bool may_wait; /* resolve() may return -EAGAIN (S1) */
};

struct page_source {
	const struct page_source_ops *ops;
	/* Pages that a fault may find without a call; NULL: ops alone know. All are writable RAM
	 * unless `read_only`. */
	const struct page_map *map;
	bool read_only;	    /* no page may ever be written */
	uint8_t max_level;  /* of a huge page */
	bool has_addresses; /* page 0 lies at `hva` in the host's process */
	uint64_t hva;
	const struct tdp_backing *backing; /* the public description; NULL: it has none. Borrowed */
};

/* The process's address of page `index`. */
static inline uint64_t source_hva(const struct page_source *source, uint64_t index)
{
	return source->hva + (index << TDP_PAGE_SHIFT);
}

/*
 * Which of the pages [first, past) of a source does a change concern? The one place where addresses
 * of the host's process become pages: all pages that a byte of [start, end) lies in, whatever the
 * alignment (kvm_handle_hva_range(), Linux virt/kvm/kvm_main.c, 6.12 and 7.3). False: none.
 */
static inline bool source_changed(const struct page_source *source,
				  const struct memory_change *change, uint64_t *first,
				  uint64_t *past)
{
	uint64_t from, to;

	if (change->source) {
		if (change->source != source)
			return false;
		from = change->first;
		to = change->past;
	} else {
		if (!source->has_addresses || change->end <= change->start ||
		    change->end <= source->hva)
			return false;
		from = change->start > source->hva ? (change->start - source->hva) >> TDP_PAGE_SHIFT
						   : 0;
		to = ((change->end - 1 - source->hva) >> TDP_PAGE_SHIFT) + 1;
	}
	if (from > *first)
		*first = from;
	if (to < *past)
		*past = to;
	return *first < *past;
}

/* S1: read before resolve(). */
static inline uint32_t source_releases(const struct tdp_host *host)
{
	return u32_load_acquire(&host->source_releases);
}

/* S1: outside of every RCU section. Returns once a holder has let go since `releases` was read. */
void source_wait(struct tdp_host *host, uint32_t releases);

/* S1: for a holder that has let go of its source. */
void source_release_waiters(struct tdp_host *host);

#endif
