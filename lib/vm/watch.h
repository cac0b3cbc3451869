/*
 * The watch over accesses: compares the translations that a vCPU uses with the tables
 *
 * Under `check` the watch examines each access. A vCPU inside guest mode may use a
 * translation that the tables no longer have, as long as the flush for it is still to
 * come: the flusher waits for this vCPU. The watch reports two mistakes:
 *
 *   W1  The vCPU uses a frame that has been freed. The host frees a frame after the
 *       flush, and the flush waits for the vCPU, so the frame's age (host/age.h) cannot
 *       change between the walk that found it and an access through the TLB.
 *   W2  The vCPU uses a translation after the flush should have removed it. If the tables
 *       and the translation differ, the vCPU takes mmu_lock exclusively after it has left
 *       guest mode: by then every flush that was owed has been requested. If none was
 *       requested, and the two still differ, an actor forgot the flush. Passes over the
 *       dirty log flush after they drop mmu_lock; until then they count as owing it.
 *
 * One difference is allowed:
 *
 *   W3  Where the CPU keeps no accessed flags, ageing takes rights away without a flush
 *       (A3 of mmu/age.h). Ageings are counted (mmu/tracked.h), so that the watch still
 *       notices a right that something else took away.
 */
#ifndef TDPSIM_VM_WATCH_H
#define TDPSIM_VM_WATCH_H

#include "vm/vm.h"

/* Will the vCPU empty its caches before its next attempt? */
bool watch_will_flush(const struct tdp_vcpu *vcpu);

/*
 * Returns NULL if the tables allow all that the TLB entry allows, or if ageing explains the
 * difference (W3); else a reason in words.
 */
const char *watch_entry(const struct tdp_vcpu *vcpu, const struct tlb_entry *entry);

/* The state that the watch keeps for a vCPU; a vCPU without `check` has none. */
struct watch;

int watch_create(struct tdp_vcpu *vcpu);
void watch_destroy(struct tdp_vcpu *vcpu);

/* Called inside guest mode: for an access that hits the TLB; before a walk; after a walk. */
void watch_hit(struct tdp_vcpu *vcpu, const struct tlb_entry *entry);
void watch_before_walk(struct tdp_vcpu *vcpu, const struct tdp_access_request *request);
void watch_walk(struct tdp_vcpu *vcpu, const struct tdp_access_request *request,
		const struct tdp_walk_result *walk);

/* Called after the vCPU has left guest mode, with no lock held. */
void watch_left(struct tdp_vcpu *vcpu);

#endif
