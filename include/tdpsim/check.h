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
	TDP_INVARIANT_NX,  /* no huge leaf is executable; the list holds linked tables alone */
	TDP_INVARIANT_LOG, /* what can be written unnoticed is in the dirty log */
	TDP_INVARIANTS,
};

TDP_API const char *tdp_invariant_name(enum tdp_invariant invariant);

/** Called for each violation found, with the invariant and a sentence. */
typedef void (*tdp_violation_sink)(void *context, enum tdp_invariant invariant,
				   const char *sentence);

/**
 * Makes the VM stand still, takes slots_lock and mmu_lock exclusively, and compares
 * all rooms with each other. Returns the number of violations, those included that
 * were noted while the VM ran and not told yet. `sink` may be NULL.
 *
 * With `check` in the VM's config anybody may go on meanwhile: vCPUs stop between
 * two steps of an access, host tasks before they begin. Without it there is nothing
 * to stop them by: no vCPU is in a call and no other call on the VM is under way.
 * Freed tables and stale frames are told apart best with `check` in the host's config
 * too.
 *
 * Threads: any but a vCPU's in one of its calls, a trace sink's, or one that has an
 * invalidation open (tdp_host_invalidate_begin()) or runs in a callback of a backing.
 */
TDP_API uint64_t tdp_vm_check(struct tdp_vm *vm, tdp_violation_sink sink, void *context);

#endif
