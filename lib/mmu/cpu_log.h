/*
 * The CPU's own logs of written pages (PML), as the MMU uses them: on while any slot
 * of the VM is logged, and emptied into the slots' logs
 *
 * Rules
 *   L1  A vCPU asks inside guest mode whether its log is on, at each attempt. Who
 *       switches it on then waits for those who are inside: after that no write that
 *       sets a dirty flag goes unlogged (vmx_update_cpu_dirty_logging(), 6.12).
 *   L2  A vCPU empties its log at each exit and before its role changes, in which an
 *       address means something else. It never logs as an L2 guest.
 *   L3  Who reads the dirty log first empties all of them, after he has waited for
 *       those inside. KVM only kicks the vCPUs (kvm_arch_sync_dirty_log()) and leaves
 *       the emptying to them: what they are late with, a later read reports. Here a
 *       vCPU may rest between two accesses, still in guest mode, so to say.
 *
 * Order: `logged_slots` is changed and read sequentially consistent, as are the mark of
 * being inside and the look at it (flush.h): either the switch is seen, or the vCPU.
 */
#ifndef TDPSIM_MMU_CPU_LOG_H
#define TDPSIM_MMU_CPU_LOG_H

#include "mmu/context.h"

/* For a vCPU whose context is not linked yet. -ENOMEM. */
int cpu_log_create(struct mmu_context *context, struct mmu *mmu);
void cpu_log_destroy(struct mmu_context *context, struct mmu *mmu);

/* Where the walks of this attempt put pages, or NULL (L1). */
static inline struct write_log *cpu_log(const struct mmu_context *context)
{
	struct write_log *log = context->write_log;

	if (!log || (context->role.word & ROLE_GUEST_MODE) ||
	    !u32_load_seq_cst(&context->actor.mmu->watched.logged_slots))
		return NULL;
	return log;
}

/* Empties one; `actor` acts, which need not be the vCPU's. */
void cpu_log_drain(struct mmu_actor *actor, struct mmu_context *context);

/* The same, all its writes included that were made before the call (L3). */
void cpu_log_drain_now(struct mmu_actor *actor, struct mmu_context *context);

/*
 * Empties all, all writes included that were made before the call (L3). Under policy exit_keeps_log
 * a vCPU that rests between two accesses has left by a fast-path exit, whose log 6.18 does not
 * empty: its pages reach the slots' logs at its next exit only.
 */
void cpu_logs_drain(struct mmu_actor *actor);

/* The vCPU is about to have another role (L2). */
void cpu_log_change_role(struct mmu_context *context, uint32_t role);

/* A slot began (true) or ceased to be logged, and was published so. slots_lock is held. */
void cpu_logs_switch(struct mmu_actor *actor, bool logged);

#endif
