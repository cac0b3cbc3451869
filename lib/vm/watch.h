/*
 * The watch over accesses: what a vCPU's caches say against what the tables say now
 *
 * Under check each access is judged. A vCPU inside guest mode may rightly use a
 * translation that the tables no longer have: whoever took it away has not flushed
 * yet, and waits for this vCPU. What it may never do:
 *
 *   W1  use a frame that has been given back. The host gives back after the flush,
 *       and that waits for the vCPU, so the frame's age (host/age.h) cannot move
 *       between the walk that found it and an access through the TLB.
 *   W2  go on using it afterwards. If tables and translation disagree, the vCPU takes
 *       mmu_lock exclusively once it is outside: by then every flush that was owed
 *       has been asked for. If none was, and they still disagree, it was forgotten.
 *       Passes of the dirty log flush after mmu_lock and say meanwhile that they owe it.
 *   W3  except what ageing took away where the CPU keeps no accessed flags: nobody is
 *       flushed for that (A3 of mmu/age.h). How often it did is counted (mmu/tracked.h),
 *       so that a right which something else took away since is missed all the same.
 */
#ifndef TDPSIM_VM_WATCH_H
#define TDPSIM_VM_WATCH_H

#include "vm/vm.h"

/* Will the vCPU empty its caches before its next attempt? */
bool watch_will_flush(const struct tdp_vcpu *vcpu);

/*
 * NULL if the tables allow all that the entry of the vCPU's TLB does, or ageing took the
 * rest (W3), else a reason in words.
 */
const char *watch_entry(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry);

/* What the accesses of a vCPU are judged by; NULL without check. */
struct watch;

int watch_create(struct tdp_vcpu *vcpu);
void watch_destroy(struct tdp_vcpu *vcpu);

/* Inside guest mode: an access goes through this entry of the TLB, or found its way so. */
void watch_hit(struct tdp_vcpu *vcpu, const struct tlb_entry *entry);
void watch_before_walk(struct tdp_vcpu *vcpu, const struct tdp_access_request *request);
void watch_walk(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
		const struct tdp_walk_result *walk);

/* Outside again, no lock held. */
void watch_left(struct tdp_vcpu *vcpu);

#endif
