#ifndef TDPSIM_NX_H
#define TDPSIM_NX_H

#include <tdpsim/run.h>
#include <tdpsim/vm.h>

/**
 * NX huge pages, the mitigation of iTLB multihit: a huge leaf is never executable,
 * a fetch from one splits it, and a recovery worker zaps the tables that this made,
 * oldest first, so that huge pages can come back. Policy `nx_huge_pages` says
 * whether a VM begins with it; the gauge nx_lpage_splits is the worker's list.
 *
 * Source: Linux Documentation/admin-guide/hw-vuln/multihit.rst and
 * arch/x86/kvm/mmu/mmu.c, kvm_nx_huge_page_recovery_worker(), 6.12 and the 7.0 cycle.
 */

/**
 * Turns the mitigation on or off while the VM runs, as writing the module's
 * parameter does: a change drops all roots the fast way. So it does in a VM with
 * `no_nx_huge_pages`, where the mitigation stays off. Any thread that may change
 * memory slots.
 */
TDP_API void tdp_vm_set_nx_huge_pages(struct tdp_vm *vm, bool on);

/**
 * One round of recovery: ceil(list / ratio) tables, or none while the mitigation is
 * off. Returns how many were taken off the list; those that lay below another one
 * and went with it are not counted. Any thread.
 */
TDP_API uint64_t tdp_vm_recover_nx_huge_pages(struct tdp_vm *vm);

/** Milliseconds between rounds: the config's, or what follows from the ratio. */
TDP_API uint64_t tdp_vm_nx_recovery_period(const struct tdp_vm *vm);

/**
 * The recovery worker: a period's wait and a round, again and again until `stop` is
 * raised, which ends a wait at once. To be run by an actor's body. Returns the number
 * of rounds made, those in which the mitigation was off included.
 */
TDP_API uint64_t tdp_vm_nx_recovery_worker(struct tdp_vm *vm, const struct tdp_flag *stop);

#endif
