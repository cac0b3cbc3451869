#ifndef TDPSIM_MEMSLOT_H
#define TDPSIM_MEMSLOT_H

#include <tdpsim/vm.h>

#define TDP_MEMSLOTS 512 /* ids of an address space: 0 to TDP_MEMSLOTS - 1 */

/**
 * A memory slot: guest frames that map memory of the host's process, from address
 * `hva` of `backing` on. The backing is borrowed and must outlive the slot.
 */
struct tdp_memslot {
	size_t size;		    /* see tdpsim/types.h */
	unsigned int address_space; /* 0 normal, 1 SMM */
	unsigned int id;
	tdp_gfn_t gfn;
	uint64_t pages; /* 0 deletes the slot */
	const struct tdp_backing *backing;
	uint64_t hva; /* 0: where the backing begins */
	bool read_only;
	bool log_dirty; /* KVM_MEM_LOG_DIRTY_PAGES: writes are logged; see tdpsim/dirty.h */
};

/**
 * Creates, deletes (pages 0) or moves (another gfn) a slot, or changes its
 * `log_dirty`, as KVM_SET_USER_MEMORY_REGION does, in upstream's order of steps: the
 * slot is marked invalid, a grace period passes, its mappings are zapped and flushed,
 * the new slot is published. A change of the flag publishes it and keeps the mappings.
 * On return no vCPU uses the old slot.
 *
 * -EINVAL  a field is out of range, or the change is one that KVM refuses (size,
 *          backing, read-only flag of an existing slot)
 * -EEXIST  overlaps another slot of the address space
 * -ENOENT  there is no slot to delete
 * -ENOMEM  no metadata; nothing changed
 */
TDP_API int tdp_vm_set_memslot(struct tdp_vm *vm, const struct tdp_memslot *slot);

/** Memslot generation, without the update-in-progress bit. */
TDP_API uint64_t tdp_vm_memslot_generation(struct tdp_vm *vm);

#endif
