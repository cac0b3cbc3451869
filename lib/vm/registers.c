/*
 * Registers that decide how addresses translate, and which of their changes drop a vCPU's
 * root (Linux kvm_post_set_cr0(), kvm_post_set_cr4(), set_efer() and __set_sregs(), since
 * 6.4; 6.1.y has backports). The next entry finds the root again: a root lives until it is
 * invalidated.
 */
#include <errno.h>

#include "host/report.h"
#include "mmu/enter.h"
#include "mmu/gate.h"
#include "vm/vm.h"

#define CR0_PE	 (1ULL << 0)
#define CR0_WP	 (1ULL << 16)
#define CR0_NW	 (1ULL << 29)
#define CR0_CD	 (1ULL << 30)
#define CR0_PG	 (1ULL << 31)
#define CR4_PSE	 (1ULL << 4)
#define CR4_PAE	 (1ULL << 5)
#define CR4_LA57 (1ULL << 12)
#define CR4_SMEP (1ULL << 20)
#define CR4_SMAP (1ULL << 21)
#define CR4_PKE	 (1ULL << 22)
#define EFER_LME (1ULL << 8)
#define EFER_NX	 (1ULL << 11)

#define CR4_PAGING  (CR4_PSE | CR4_PAE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE)
#define EFER_PAGING (EFER_LME | EFER_NX)

/* Is a bit that roles once took from the guest set in this one's? (policy role) */
static bool role_bit(const struct tdp_vcpu *vcpu, bool bit)
{
	switch (vcpu->vm->mmu.policy.role) {
	case TDP_ROLE_GUEST:
		return bit;
	case TDP_ROLE_PAGED:
		return bit && (vcpu->registers.cr0 & CR0_PG);
	default:
		return true;
	}
}

uint32_t vcpu_root_role(const struct tdp_vcpu *vcpu)
{
	const struct tdp_vm_config *config = &vcpu->vm->config;

	return role_of_root(&(struct root_role){
		.level = vcpu->root_level,
		.address_space = vcpu->smm ? 1 : 0,
		.ad_disabled = config->no_ad,
		.guest_mode = vcpu->guest_mode && !vcpu->smm,
		.efer_nx = role_bit(vcpu, vcpu->registers.efer & EFER_NX),
		.cr0_wp = role_bit(vcpu, vcpu->registers.cr0 & CR0_WP),
		.mbec = config->mbec,
		.gmet = config->gmet,
	});
}

static enum tdp_paging_mode paging_mode(const struct tdp_registers *registers)
{
	if (!(registers->cr0 & CR0_PG))
		return TDP_PAGING_NONE;
	if (!(registers->efer & EFER_LME))
		return TDP_PAGING_32BIT;
	return registers->cr4 & CR4_LA57 ? TDP_PAGING_LONG_LA57 : TDP_PAGING_LONG;
}

static void digest(struct tdp_vcpu *vcpu)
{
	const struct tdp_registers *registers = &vcpu->registers;

	vcpu->paging = (struct tdp_guest_paging){
		.mode = paging_mode(registers),
		.cr3 = registers->cr3,
		.pse = registers->cr4 & CR4_PSE,
		.wp = registers->cr0 & CR0_WP,
		.nxe = registers->efer & EFER_NX,
		.smep = registers->cr4 & CR4_SMEP,
		.smap = registers->cr4 & CR4_SMAP,
	};
}

void vcpu_registers_init(struct tdp_vcpu *vcpu)
{
	vcpu->registers = (struct tdp_registers){.cr0 = CR0_PE};
	digest(vcpu);
	mmu_context_set_role(&vcpu->context, vcpu_root_role(vcpu));
}

void tdp_vcpu_registers(const struct tdp_vcpu *vcpu, struct tdp_registers *registers)
{
	*registers = vcpu->registers;
}

static int refuse(const struct tdp_vcpu *vcpu, const char *reason)
{
	host_report(vcpu->vm->host, "%s", reason);
	return -EINVAL;
}

static int check_registers(const struct tdp_vcpu *vcpu, const struct tdp_registers *registers)
{
	bool pg = registers->cr0 & CR0_PG, pae = registers->cr4 & CR4_PAE;

	/* SDM vol. 3, 2.5 and 4.1.2: what MOV to CR0 answers with a #GP. */
	if (registers->cr0 >> 32)
		return refuse(vcpu, "the upper half of CR0 is reserved");
	if ((registers->cr0 & CR0_NW) && !(registers->cr0 & CR0_CD))
		return refuse(vcpu, "CR0.NW needs CR0.CD");
	if (pg && !(registers->cr0 & CR0_PE))
		return refuse(vcpu, "CR0.PG needs CR0.PE");
	if (pg && (registers->efer & EFER_LME) && !pae)
		return refuse(vcpu, "long mode needs CR4.PAE");
	if (pg && pae && !(registers->efer & EFER_LME))
		return refuse(vcpu, "three-level PAE paging is not modelled");
	return 0;
}

/* A change of CR0.WP alone keeps the root: WP does not affect the second level. */
static bool cr0_resets(uint64_t changed)
{
	return changed & CR0_PG || (changed & CR0_WP && changed != CR0_WP);
}

/* Does the change reset the vCPU's MMU context? MOV CR3 does not. */
static bool resets(const struct tdp_registers *old, const struct tdp_registers *new,
		   enum tdp_register_change how)
{
	uint64_t cr0 = old->cr0 ^ new->cr0, cr4 = old->cr4 ^ new->cr4;
	uint64_t efer = old->efer ^ new->efer;

	if (how == TDP_CHANGE_SREGS)
		return cr0 || cr4 || efer || old->cr3 != new->cr3;
	return cr0_resets(cr0) || cr4 & CR4_PAGING || efer & EFER_PAGING;
}

int tdp_vcpu_set_registers(struct tdp_vcpu *vcpu, const struct tdp_registers *registers,
			   enum tdp_register_change how)
{
	bool reset;
	int err;

	if ((unsigned int)how > TDP_CHANGE_SREGS)
		return refuse(vcpu, "registers are changed by the guest or by KVM_SET_SREGS");
	err = check_registers(vcpu, registers);
	if (err)
		return err;
	gate_enter(&vcpu->context.actor);
	reset = resets(&vcpu->registers, registers, how);
	vcpu->registers = *registers;
	digest(vcpu);
	if (reset)
		mmu_context_set_role(&vcpu->context, vcpu_root_role(vcpu));
	/* Linear translations depend on all of these registers. */
	tlb_flush(&vcpu->context.tlb);
	gate_leave(&vcpu->context.actor);
	return 0;
}

/* The vCPU gets another root for the same addresses, so its TLB and caches are flushed. */
static void change_role(struct tdp_vcpu *vcpu, bool *what, bool to)
{
	gate_enter(&vcpu->context.actor);
	*what = to;
	mmu_context_set_role(&vcpu->context, vcpu_root_role(vcpu));
	tlb_flush(&vcpu->context.tlb);
	gate_leave(&vcpu->context.actor);
}

int tdp_vcpu_set_smm(struct tdp_vcpu *vcpu, bool smm)
{
	if (vcpu->vm->config.address_spaces < 2)
		return refuse(vcpu, "the VM has no address space for SMM");
	if (vcpu->smm != smm)
		change_role(vcpu, &vcpu->smm, smm);
	return 0;
}

/* SMM runs in L1. An SMI in L2 goes through L1 first, and RSM returns to where it came from. */
int tdp_vcpu_set_guest_mode(struct tdp_vcpu *vcpu, bool guest_mode)
{
	if (guest_mode && vcpu->smm)
		return refuse(vcpu, "no guest of the guest runs in system-management mode");
	if (vcpu->guest_mode != guest_mode)
		change_role(vcpu, &vcpu->guest_mode, guest_mode);
	return 0;
}
