/*
 * The guest of a captured trace: a page of code, and tables for its two paging
 * modes. An access is a list of steps, each an access to memory that may fault;
 * after a fault the instruction that faulted is begun again.
 */
#ifndef REPLAY_GUEST_H
#define REPLAY_GUEST_H

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
struct plan guest_plan(const struct event *access);
/* The SMI handler: reads at the access's address, then RSM. */
struct plan guest_smi_plan(uint64_t gpa);

/* Runs the access whose line is under the cursor, with all faults that it takes. */
void guest_access(struct replay *replay);
/* The warm-up of every vCPU. */
void guest_warm(struct replay *replay);

/* Behind the last event of the fault that begins at event `first`. */
size_t guest_fault_end(const struct trace *trace, size_t first);
/* True, and the replay over at `line`, if the trace's answer to the fault cannot be given. */
bool guest_cannot_answer(struct replay *replay, unsigned int line, unsigned int as_id,
			 uint64_t gpa);

/*
 * foreign.c: how many of the things that other tasks do from the cursor on (host_acts())
 * came before a step of the running instruction.
 */
size_t foreign_before(struct replay *replay, unsigned int as_id, const struct step *step);

/* Flat 32-bit protected mode, as a vCPU of the captures begins. */
void guest_reset(struct guest_cpu *cpu);
/* The registers after the instruction that `access` names. */
struct tdp_registers guest_changed_registers(const struct tdp_registers *before,
					     const struct event *access);

/* Puts the guest's own tables into the frame of their page, whichever frame that is now. */
void guest_fill_page(struct replay *replay, uint64_t hva, tdp_pfn_t pfn);

#endif
