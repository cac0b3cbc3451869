#ifndef TDPSIM_CHECK_H
#define TDPSIM_CHECK_H

#include <tdpsim/vm.h>

/** The checker's invariants; docs/model.md defines each of them. */
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
	TDP_INVARIANT_STALE_ACCESS, /* an access used a translation that no longer existed */
	TDP_INVARIANT_NX,  /* no huge leaf is executable; the list holds linked tables only */
	TDP_INVARIANT_LOG, /* a page that can be written without notice is in the dirty log */
	TDP_INVARIANTS,
};

TDP_API const char *tdp_invariant_name(enum tdp_invariant invariant);

/** Called for each violation found, with the invariant and a sentence. */
typedef void (*tdp_violation_sink)(void *context, enum tdp_invariant invariant,
				   const char *sentence);

/**
 * Stops the VM, takes slots_lock and mmu_lock exclusively, and compares tables, TLBs,
 * slots, counters and references with each other. Returns the number of violations,
 * including those that were noted while the VM ran and not reported yet. `sink` may be
 * NULL.
 *
 * With `check` in the VM's config other threads may use the VM meanwhile: vCPUs stop
 * between two steps of an access, host tasks before they begin. Without it the library
 * cannot stop them, so no vCPU may be in a call and no other call on the VM may be
 * under way. Set `check` in the host's config too: it finds the most freed tables and
 * stale frames.
 *
 * Threads: any, but not from within a call of a vCPU, a trace sink or a callback of a
 * backing, and not with an invalidation open (tdp_host_invalidate_begin()).
 */
TDP_API uint64_t tdp_vm_check(struct tdp_vm *vm, tdp_violation_sink sink, void *context);

#endif
