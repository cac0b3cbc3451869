/*
 * The CPU's own logs of written pages (PML), as the MMU uses them: on while any slot of the VM is
 * logged, and emptied into the slots' logs
 *
 * Rules
 *   L1  A vCPU tests inside guest mode, at each attempt, whether its log is on. An actor that
 *       switches it on then waits for the vCPUs inside: after that no write that sets a dirty flag
 *       goes unlogged (vmx_update_cpu_dirty_logging(), 6.12).
 *   L2  A vCPU empties its log at each exit and before its role changes, in which the same address
 *       is another page. It never logs as an L2 guest.
 *   L3  A reader of the dirty log first waits for the vCPUs inside, then empties all of their logs.
 *       KVM only kicks the vCPUs (kvm_arch_sync_dirty_log()), which empty their own: what one of
 *       them does late, a later read reports. Here a vCPU may rest between two accesses as if it
 *       were in guest mode.
 *
 * Order: `logged_slots` is changed and read sequentially consistent, as are the mark of being
 * inside and its test (flush.h): either the vCPU sees the switch, or the switcher sees the vCPU
 * inside.
 */
#ifndef TDPSIM_MMU_CPU_LOG_H
#define TDPSIM_MMU_CPU_LOG_H

#include "mmu/context.h"

/* For a vCPU whose context is not linked yet. -ENOMEM. */
int cpu_log_create(struct mmu_context *context, struct mmu *mmu);
void cpu_log_destroy(struct mmu_context *context, struct mmu *mmu);

/* The log that the walks of this attempt write to, or NULL (L1). */
static inline struct write_log *cpu_log(const struct mmu_context *context)
{
	struct write_log *log = context->write_log;

	if (!log || (context->role.word & ROLE_GUEST_MODE) ||
	    !u32_load_seq_cst(&context->actor.mmu->watched.logged_slots))
		return NULL;
	return log;
}

/* Empties one log; `actor` acts, which may be another than the vCPU's. */
void cpu_log_drain(struct mmu_actor *actor, struct mmu_context *context);

/* The same, including all writes that the vCPU made before the call (L3). */
void cpu_log_drain_now(struct mmu_actor *actor, struct mmu_context *context);

/*
 * Empties all logs, including all writes made before the call (L3). Under policy exit_keeps_log a
 * vCPU that rests between two accesses has left by a fast-path exit, whose log 6.18 does not empty:
 * its pages reach the slots' logs at its next exit only.
 */
void cpu_logs_drain(struct mmu_actor *actor);

/*
 * The vCPU is about to have another role (L2). Under policy exit_keeps_log it may enter SMM with
 * pages in its log: KVM enters SMM without an exit in between, and looks the pages up in the slots
 * of SMM at the next exit.
 */
void cpu_log_change_role(struct mmu_context *context, uint32_t role);

/* Logging of a slot began (true) or ended, and the slot was published so. slots_lock is held. */
void cpu_logs_switch(struct mmu_actor *actor, bool logged);

#endif
