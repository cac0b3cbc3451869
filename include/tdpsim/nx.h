#ifndef TDPSIM_NX_H
#define TDPSIM_NX_H

#include <tdpsim/run.h>
#include <tdpsim/vm.h>

/**
 * NX huge pages, the mitigation of iTLB multihit: a huge leaf is never executable,
 * and a fetch from one splits it. A recovery worker zaps the tables that such splits
 * made, oldest first, so that huge pages can come back. Policy `nx_huge_pages` says
 * whether a VM begins with the mitigation; the gauge nx_lpage_splits is the length
 * of the worker's list.
 *
 * Source: Linux Documentation/admin-guide/hw-vuln/multihit.rst and
 * arch/x86/kvm/mmu/mmu.c, kvm_nx_huge_page_recovery_worker(), 6.12 and the 7.0 cycle.
 */

/**
 * Turns the mitigation on or off while the VM runs, as writing the module's
 * parameter does. A change drops all roots (tdp_mmu_zap_all_fast()), even in a VM
 * with `no_nx_huge_pages`, where the mitigation stays off. Threads: any that may
 * change memory slots.
 */
TDP_API void tdp_vm_set_nx_huge_pages(struct tdp_vm *vm, bool on);

/**
 * One round of recovery: ceil(list / ratio) tables, or none while the mitigation is
 * off. Returns how many tables it took off the list; tables that lay below another one
 * and went with it are not counted. Threads: any.
 */
TDP_API uint64_t tdp_vm_recover_nx_huge_pages(struct tdp_vm *vm);

/** Milliseconds between rounds: the config's, or what follows from the ratio. */
TDP_API uint64_t tdp_vm_nx_recovery_period(const struct tdp_vm *vm);

/**
 * The recovery worker: waits for a period and makes a round, until `stop` is raised,
 * which ends a wait at once. Called by an actor's body. Returns the number of rounds,
 * including those in which the mitigation was off.
 */
TDP_API uint64_t tdp_vm_nx_recovery_worker(struct tdp_vm *vm, const struct tdp_flag *stop);

#endif
