#ifndef TDPSIM_DIRTY_H
#define TDPSIM_DIRTY_H

#include <tdpsim/vcpu.h>

/**
 * Dirty logging: which pages of a slot have been written. It is on while the slot
 * has `log_dirty` (tdp_vm_set_memslot() changes the flag of an existing slot). A
 * page written while it is on is reported by a read of the log that
 * begins after the write, unless an earlier read reported it since.
 *
 * A slot's log is a bitmap of 64-bit words, bit i for page i of the slot, or, with
 * `dirty_ring` in the VM's config, the rings of the vCPUs that wrote.
 *
 * Source: Linux Documentation/virt/kvm/api.rst, 4.8, 4.117 and 8.29; 6.12.
 */

/** Words of the bitmap of a slot of so many pages. */
static inline size_t tdp_dirty_log_words(uint64_t pages)
{
	return (size_t)((pages + 63) / 64);
}

/**
 * Copies a slot's bitmap to `bitmap`, of `words` words (KVM_GET_DIRTY_LOG). With
 * manual protection nothing else happens. Without it the reported pages leave the
 * log and are protected again: after the return no vCPU can write one of them
 * without a new mark.
 *
 * Threads: any; takes slots_lock, so not from a backing or a trace sink.
 *
 * -ENOENT  no such slot, or it is not logged
 * -EINVAL  `words` is too small, or there is no such address space or slot id
 * -ENXIO   the VM has dirty rings and no bitmap beside them
 */
TDP_API int tdp_vm_get_dirty_log(struct tdp_vm *vm, unsigned int address_space, unsigned int slot,
				 uint64_t *bitmap, size_t words);

/**
 * Removes pages of [first, first + pages) of the slot from the log and protects them
 * again (KVM_CLEAR_DIRTY_LOG): those that are set in the log and in `bitmap`, whose
 * bit 0 is page `first`. `first` is a multiple of 64, `pages` too unless it reaches
 * the slot's end. Meant for manual protection, but as in the kernel it may be used
 * without.
 *
 * -ENOENT  no such slot, or it is not logged
 * -EINVAL  the range is not in the slot or not aligned, or there is no such address
 *          space or slot id
 * -ENXIO   the VM has dirty rings and no bitmap beside them
 */
TDP_API int tdp_vm_clear_dirty_log(struct tdp_vm *vm, unsigned int address_space, unsigned int slot,
				   uint64_t first, uint64_t pages, const uint64_t *bitmap);

/**
 * An exit that no fault caused (HLT, an interrupt). As every exit it moves the CPU's
 * own log of written pages (PML) to the dirty log; faults and reads of the log do so
 * by themselves. Under policy exit_keeps_log (a bug of 6.18) neither this exit nor a
 * read moves them: they reach the log at the vCPU's next fault. Called by the vCPU's
 * actor.
 */
TDP_API void tdp_vcpu_exit(struct tdp_vcpu *vcpu);

/** An entry of a dirty ring. */
struct tdp_dirty_page {
	unsigned int address_space, slot;
	uint64_t offset; /* of the page in its slot */
};

/**
 * Takes up to `count` entries, oldest first, from the vCPU's dirty ring and marks
 * them as harvested: the next tdp_vm_reset_dirty_rings() recycles them. Returns how
 * many there were; without dirty rings, none. Any thread.
 *
 * Between the harvest of an entry and its recycling its page may be written without a
 * new entry: copy the page after the reset.
 */
TDP_API size_t tdp_vcpu_harvest_dirty_ring(struct tdp_vcpu *vcpu, struct tdp_dirty_page *pages,
					   size_t count);

/**
 * Recycles what was harvested from all rings and protects those pages again
 * (KVM_RESET_DIRTY_RINGS). Stores their number in *count, which may be NULL.
 *
 * -EINVAL  the VM has no dirty rings
 */
TDP_API int tdp_vm_reset_dirty_rings(struct tdp_vm *vm, uint64_t *count);

#endif
