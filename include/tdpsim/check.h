#ifndef TDPSIM_CHECK_H
#define TDPSIM_CHECK_H

#include <tdpsim/vm.h>

/** The checker's invariants; docs/model.md says each one in full. */
enum tdp_invariant {
	TDP_INVARIANT_ENTRY,	    /* every entry is one of the five legal states at its level */
	TDP_INVARIANT_WRITABILITY,  /* W implies MMU-writable implies host-writable */
	TDP_INVARIANT_FROZEN,	    /* nothing reachable stays frozen */
	TDP_INVARIANT_TLB,	    /* no TLB allows more than the tables */
	TDP_INVARIANT_MAPPING,	    /* a leaf maps what its slot and the host say, no more */
	TDP_INVARIANT_LIFETIME,	    /* no freed frame is reachable; each is freed once */
	TDP_INVARIANT_INVALID_ROOT, /* a zapped root maps nothing */
	TDP_INVARIANT_COUNT,	    /* counters agree with a recount */
	TDP_INVARIANT_REFERENCE,    /* root references add up */
	TDP_INVARIANT_STALE_ACCESS, /* an access went through a translation that was gone */
	TDP_INVARIANTS,
};

TDP_API const char *tdp_invariant_name(enum tdp_invariant invariant);

/** Called for each violation found, with the invariant and a sentence. */
typedef void (*tdp_violation_sink)(void *context, enum tdp_invariant invariant,
				   const char *sentence);

/**
 * Stops the vCPUs, takes slots_lock and mmu_lock exclusively, and compares all
 * rooms with each other. Returns the number of violations, those included that
 * were noted while the VM ran. `sink` may be NULL. Call it outside vCPU actors.
 */
TDP_API uint64_t tdp_vm_check(struct tdp_vm *vm, tdp_violation_sink sink, void *context);

#endif
