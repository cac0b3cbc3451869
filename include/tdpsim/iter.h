#ifndef TDPSIM_ITER_H
#define TDPSIM_ITER_H

#include <tdpsim/vm.h>

/**
 * Lockless iteration over the entries of a VM's tables, while vCPUs fault and
 * others zap. Visits parents first; frame numbers never go backwards. Each
 * entry is a snapshot: its value at some moment after the step to it began.
 */
struct tdp_iter;

struct tdp_entry {
	tdp_gfn_t gfn; /* first frame that the entry spans; may lie below the start */
	unsigned int level;
	uint64_t value;
	bool present; /* MMU-present */
	bool leaf;
	tdp_pfn_t pfn; /* present: leaf's frame, or the next table's */
};

/**
 * Begins at the youngest valid root of `address_space`, over [start, start +
 * pages), entries of levels >= min_level (1 to 5).
 *
 * -EINVAL  arguments out of range (an empty range has no entries)
 * -ENOENT  the address space has no root
 * -ENOMEM  no metadata
 */
TDP_API int tdp_iter_begin(struct tdp_vm *vm, unsigned int address_space, tdp_gfn_t start,
			   uint64_t pages, unsigned int min_level, struct tdp_iter **iter);

/** The next entry, or false at the end. */
TDP_API bool tdp_iter_next(struct tdp_iter *iter, struct tdp_entry *entry);

/**
 * NULL is allowed. While an iterator is open the host frees no table, and a change
 * of memory slots waits until it ends: the thread that holds the iterator must not
 * change slots.
 */
TDP_API void tdp_iter_end(struct tdp_iter *iter);

#endif
