/* The vCPUs of a VM: the list, and the memory of one. */
#ifndef TDPSIM_VM_VCPU_H
#define TDPSIM_VM_VCPU_H

#include "vm/vm.h"

/* The vCPU that was created last; `next` leads to the others. */
static inline struct tdp_vcpu *vm_first_vcpu(const struct tdp_vm *vm)
{
	return ptr_load_acquire(&vm->vcpus);
}

/* Frees a vCPU whose context has ended. */
void vcpu_free(struct tdp_vcpu *vcpu);

#endif
