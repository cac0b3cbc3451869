/*
 * The program that the guest of every capture runs. All its code lies in the page at
 * 0x1000; each instruction has a HLT behind it:
 *
 *	0x1000 mov eax,[ebx]	0x1003 mov [ebx],eax	0x1006 lock inc dword [ebx]
 *	0x100a jmp ebx		0x100c mov cr0,ecx	0x1010 mov cr3,ecx
 *	0x1014 mov cr4,ecx	0x1018 wrmsr		0x101b nop
 *
 * An access is a list of steps in the order of their memory accesses: the fetch of the
 * instruction, its data (for the jump, the fetch at its target, where a HLT stands), the
 * fetch of the HLT. Each step may fault. After a fault the instruction that faulted begins
 * again. With guest paging on, the guest's own page walk precedes each step; the
 * simulator's hardware makes it.
 */
#ifndef REPLAY_PROGRAM_H
#define REPLAY_PROGRAM_H

#include "replay.h"

#define STEPS_MAX 3

struct step {
	enum tdp_access access;
	uint64_t address, rip;
	unsigned int restart; /* the step to go back to after a fault here */
};

struct plan {
	struct step steps[STEPS_MAX];
	unsigned int count;
	bool changes_register; /* when step 0 is done */
};

/* What one instruction of the program (an ACC line, or the warm-up) does to memory. */
struct plan program_plan(const struct event *access);
/* The SMI handler: it reads at the access's address, then executes RSM. */
struct plan program_smi_plan(uint64_t gpa);

/* Flat 32-bit protected mode, as a vCPU of the captures begins. */
struct tdp_registers program_first_registers(void);
/* The registers after the instruction that `access` names. */
struct tdp_registers program_changed_registers(const struct tdp_registers *before,
					       const struct event *access);

/* Writes the guest's own page tables into `pfn` if it backs one of their pages. */
void program_fill_page(struct replay *replay, uint64_t hva, tdp_pfn_t pfn);

#endif
