#ifndef TDPSIM_HOST_H
#define TDPSIM_HOST_H

#include <tdpsim/types.h>

/**
 * A simulated host: its physical memory, divided into frames, and the memory
 * of the one user process that its VMs live in. Two hosts in one process do not
 * know of each other. A host owns everything created from it.
 *
 * Threads: one thread creates and destroys. Every other function that takes a
 * host may be called by any thread at any time, unless it says otherwise.
 */
struct tdp_host;

/** The allocator of the library's own metadata; libc's if all is NULL. */
struct tdp_allocator {
	/** `bytes` aligned to `alignment` (a power of two), zeroed; NULL if there is none. */
	void *(*allocate)(void *context, size_t alignment, size_t bytes);
	void (*release)(void *context, void *memory, size_t bytes);
	void *context;
};

/** What an allocation is for: an argument of the `fail` hook of a host's config. */
enum tdp_allocation {
	TDP_ALLOCATE_METADATA,
	TDP_ALLOCATE_TABLE_FRAME,
	TDP_ALLOCATE_DATA_FRAME,
};

/** All zero is a host of 64 GiB with one node; new fields are appended. */
struct tdp_host_config {
	size_t size;		 /* see tdpsim/types.h */
	uint64_t memory_bytes;	 /* data frames; 0 means 64 GiB; a multiple of 1 GiB */
	uint64_t table_bytes;	 /* frames for page tables, apart from data; 0: by memory_bytes */
	uint64_t carveout_bytes; /* memory at the start of the data region that the library never
				    allocates (devices, scripted backings); a multiple of 1 GiB */
	unsigned int nodes;	 /* NUMA nodes that share the memory evenly; 0 means 1 */
	unsigned int maxphyaddr; /* width of a physical address, 36 to 52; 0 means 52 */
	uint64_t hugetlb_2m;	 /* pages set aside for 2M backing; 0: taken from what is free */
	uint64_t hugetlb_1g;	 /* likewise for 1G */
	bool check; /* poison freed frames and keep histories, to find stale use; slower */
	struct tdp_allocator allocator;
	/** Called with a reason in words before an error is returned. May be NULL. */
	void (*report)(void *context, const char *sentence);
	void *report_context;
	/** Called before every allocation, by any thread; true makes it fail. May be NULL. */
	bool (*fail)(void *context, enum tdp_allocation allocation);
	void *fail_context;
};

/**
 * Stores a new host in *host, to be ended with tdp_host_destroy(), or leaves
 * *host alone. `config` may be NULL for the defaults.
 *
 * -EINVAL   a field is out of its range (the report says which)
 * -ENOMEM   no address space for the frames, or no metadata
 * -EOPNOTSUPP  this build or machine cannot map so large a host (TSan: 512 GiB;
 *              vm.overcommit_memory=2)
 */
TDP_API int tdp_host_create(const struct tdp_host_config *config, struct tdp_host **host);

/**
 * NULL is allowed. Destroy all VMs and memory of the host first: the program stops if
 * any is left, because it would point to freed memory.
 */
TDP_API void tdp_host_destroy(struct tdp_host *host);

/** How the host's memory is used; exact while no other call allocates or frees. */
struct tdp_host_memory {
	uint64_t table_frames;	 /* in use for page tables, waiting for a grace period included */
	uint64_t data_frames;	 /* 4 KiB frames in use for guest memory */
	uint64_t metadata_bytes; /* allocated and not released */
	uint64_t free_table_frames;
	uint64_t free_data_frames;
};

TDP_API void tdp_host_usage(struct tdp_host *host, struct tdp_host_memory *usage);

/** First frame of the carve-out. */
TDP_API tdp_pfn_t tdp_host_carveout(const struct tdp_host *host);

/** The memory of frame `pfn` (4 KiB), or NULL if the host has no such frame. */
TDP_API void *tdp_host_frame(const struct tdp_host *host, tdp_pfn_t pfn);

/**
 * Memory of the host's process that a slot may be laid over: an anonymous
 * mapping (tdp_anon_create()), or one that a program scripts itself. The calls
 * are made without mmu_lock unless they say otherwise, by any thread.
 */
struct tdp_backing_page {
	tdp_pfn_t pfn; /* frame of the 4 KiB page asked for */
	bool writable; /* the host's own mapping allows writes */
	bool device;   /* not RAM: mapped uncached */
};

struct tdp_backing_ops {
	/**
	 * Finds, or allocates, the page at `hva`. `caller` is opaque, handed on to
	 * the library's own allocator.
	 *
	 * -EFAULT     the process has no such memory, or not for this access
	 *
	 * A frame that is no data frame of the host counts as -EFAULT; the host's report
	 * says so.
	 *
	 * -EHWPOISON  the frame is broken
	 * -ENOMEM     no frame is left
	 */
	int (*resolve)(void *context, void *caller, uint64_t hva, bool write,
		       struct tdp_backing_page *page);
	/** Ends what resolve() began, for each page that it returned. May be NULL. */
	void (*release)(void *context, uint64_t hva, const struct tdp_backing_page *page,
			bool mapped_writable);
	/**
	 * At which level the process maps `hva` at this moment (1 where it does
	 * not). Called with mmu_lock held: must not block.
	 */
	unsigned int (*level)(void *context, uint64_t hva);
	/**
	 * What resolve() would find at `hva` at this moment, with nothing allocated;
	 * for tdp_vm_check(). Called with mmu_lock held: must not block. May be NULL.
	 *
	 * -ENOENT  the process has no page there
	 * -EAGAIN  cannot be told just now
	 */
	int (*peek)(void *context, uint64_t hva, struct tdp_backing_page *page);
};

struct tdp_backing {
	const struct tdp_backing_ops *ops;
	void *context;
	uint64_t hva; /* where it begins in the process; page aligned */
	uint64_t bytes;
	enum tdp_level max_level; /* level() never says more; 0: 1G. Saves the question */
};

/** Anonymous memory of the host's process. */
struct tdp_anon;

enum tdp_anon_policy {
	TDP_ANON_EXTENTS, /* memory is taken 2 MiB at a time even where it is mapped by 4K */
	TDP_ANON_PAGES,	  /* every 4K page is allocated by itself: costs a record each */
};

struct tdp_anon_config {
	size_t size;	     /* see tdpsim/types.h */
	uint64_t bytes;	     /* a multiple of the page size */
	enum tdp_level page; /* size of the pages that map it: 4K (0 too), 2M or 1G */
	enum tdp_anon_policy policy;
	int node;	/* preferred NUMA node plus one; 0: that of who touches it first */
	bool read_only; /* PROT_READ: writes are refused with -EFAULT */
};

/**
 * -EINVAL  size, page size or node is out of range
 * -ENOMEM  no metadata, or (2M, 1G with a reserved pool) not enough pages set aside
 */
TDP_API int tdp_anon_create(struct tdp_host *host, const struct tdp_anon_config *config,
			    struct tdp_anon **anon);
/** NULL is allowed. No slot may lie over it any more. */
TDP_API void tdp_anon_destroy(struct tdp_anon *anon);

/** What to lay slots over; borrowed, dies with `anon`. */
TDP_API const struct tdp_backing *tdp_anon_backing(const struct tdp_anon *anon);

/**
 * Gives the pages of [offset, offset + bytes) back to the host, as
 * madvise(MADV_DONTNEED) does: tells the notifiers, then frees the frames. The
 * next touch gets fresh ones; what they hold is undefined, not zero.
 *
 * -EINVAL  not aligned to the page size, or outside
 */
TDP_API int tdp_anon_discard(struct tdp_anon *anon, uint64_t offset, uint64_t bytes);

/** How many distinct pages (of the config's size) have been touched and not given back. */
TDP_API uint64_t tdp_anon_touched(const struct tdp_anon *anon);

/**
 * Tells every subscriber that the process's mapping of [start, end) is about to
 * change (begin) and has changed (end), as mmu_notifier_invalidate_range_start
 * and _end do. For scripted backings; tdp_anon_discard() does it itself. Pairs
 * may nest and overlap. Begin returns when nothing maps the range any more.
 * While a pair is open no VM can be created: tdp_vm_create() waits for the end.
 */
TDP_API void tdp_host_invalidate_begin(struct tdp_host *host, uint64_t start, uint64_t end);
TDP_API void tdp_host_invalidate_end(struct tdp_host *host, uint64_t start, uint64_t end);

/**
 * Ages the process's memory in [start, end), rounded outwards to pages: was any page
 * there accessed through a VM since the last time? Takes the accessed state away
 * (clear_young); the second looks at one page only and leaves it (test_young). No TLB
 * is flushed, so a page in use through a cached translation may be called old, as
 * upstream allows. Neither can fail, and neither waits for invalidations.
 * Linux virt/kvm/kvm_main.c, 6.12 (under mmu_lock) and 6.15 (without).
 */
TDP_API bool tdp_host_age(struct tdp_host *host, uint64_t start, uint64_t end);
TDP_API bool tdp_host_test_age(struct tdp_host *host, uint64_t hva);

#endif
