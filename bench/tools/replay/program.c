#include "program.h"

#define SMI_HANDLER	  0x38000
#define SMI_HANDLER_RIP	  0x8000 /* CS base is SMBASE */
#define CR0_PROTECTED	  0x11
#define GFN_DIRECTORY	  0x10
#define GFN_PML4	  0x20
#define GFN_PDPT	  0x21
#define TABLE_ENTRIES	  512
#define DIRECTORY_ENTRIES 1024

static const struct {
	uint64_t rip, hlt;
} code[] = {
	[ACCESS_READ] = {0x1000, 0x1002}, [ACCESS_WRITE] = {0x1003, 0x1005},
	[ACCESS_ADD] = {0x1006, 0x1009},  [ACCESS_EXECUTE] = {0x100a, 0},
	[ACCESS_CR0] = {0x100c, 0x100f},  [ACCESS_CR3] = {0x1010, 0x1013},
	[ACCESS_CR4] = {0x1014, 0x1017},  [ACCESS_EFER] = {0x1018, 0x101a},
	[ACCESS_WARM] = {0x101b, 0x101c},
};

static void add_step(struct plan *plan, enum tdp_access access, uint64_t address, uint64_t rip,
		     unsigned int restart)
{
	plan->steps[plan->count++] = (struct step){access, address, rip, restart};
}

struct plan program_plan(const struct event *access)
{
	enum access_op op = access->u.access.op;
	uint64_t rip = code[op].rip, gpa = access->u.access.gpa;
	struct plan plan = {.changes_register = op >= ACCESS_CR0 && op <= ACCESS_EFER};

	add_step(&plan, TDP_FETCH, rip, rip, 0);
	if (op == ACCESS_EXECUTE) {
		add_step(&plan, TDP_FETCH, gpa, gpa, 1); /* the jump itself is done */
		return plan;
	}
	if (op <= ACCESS_ADD)
		add_step(&plan, op == ACCESS_READ ? TDP_READ : TDP_WRITE, gpa, rip, 0);
	add_step(&plan, TDP_FETCH, code[op].hlt, code[op].hlt, plan.count);
	return plan;
}

struct plan program_smi_plan(uint64_t gpa)
{
	struct plan plan = {0};

	add_step(&plan, TDP_FETCH, SMI_HANDLER, SMI_HANDLER_RIP, 0);
	add_step(&plan, TDP_READ, gpa, SMI_HANDLER_RIP, 0);
	add_step(&plan, TDP_FETCH, SMI_HANDLER + 4, SMI_HANDLER_RIP + 4, 2);
	return plan;
}

struct tdp_registers program_first_registers(void)
{
	return (struct tdp_registers){.cr0 = CR0_PROTECTED};
}

struct tdp_registers program_changed_registers(const struct tdp_registers *before,
					       const struct event *access)
{
	struct tdp_registers registers = *before;

	switch (access->u.access.op) {
	case ACCESS_CR0:
		registers.cr0 = access->u.access.value;
		break;
	case ACCESS_CR3:
		registers.cr3 = access->u.access.value;
		break;
	case ACCESS_CR4:
		registers.cr4 = access->u.access.value;
		break;
	default:
		registers.efer = access->u.access.value;
		break;
	}
	return registers;
}

static void fill_directory(uint32_t *entries)
{
	for (uint32_t i = 0; i < DIRECTORY_ENTRIES; i++)
		entries[i] = i << 22 | 0x83;
}

static void fill_pml4(uint64_t *entries)
{
	entries[0] = (uint64_t)GFN_PDPT << 12 | 3;
	entries[1] = (uint64_t)(GFN_PDPT + 1) << 12 | 3;
}

static void fill_pdpt(uint64_t *entries, uint64_t first)
{
	for (uint64_t i = 0; i < TABLE_ENTRIES; i++)
		entries[i] = (first + i) << 30 | 0x83;
}

void program_fill_page(struct replay *replay, uint64_t hva, tdp_pfn_t pfn)
{
	const struct slot *slot = slots_find(&replay->slots, 0, 0);
	void *frame = tdp_host_frame(replay->host, pfn);
	uint64_t gfn;

	if (!slot || !frame || hva < slot->hva || hva - slot->hva >= slot->bytes)
		return;
	gfn = (hva - slot->hva) >> 12;
	if (gfn == GFN_DIRECTORY)
		fill_directory(frame);
	else if (gfn == GFN_PML4)
		fill_pml4(frame);
	else if (gfn == GFN_PDPT || gfn == GFN_PDPT + 1)
		fill_pdpt(frame, (gfn - GFN_PDPT) * TABLE_ENTRIES);
}
