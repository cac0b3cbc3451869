/*
 * The program that every captured guest runs. All its code lies in the page at
 * 0x1000; an instruction and the HLT behind it:
 *
 *	0x1000 mov eax,[ebx]	0x1003 mov [ebx],eax	0x1006 lock inc dword [ebx]
 *	0x100a jmp ebx		0x100c mov cr0,ecx	0x1010 mov cr3,ecx
 *	0x1014 mov cr4,ecx	0x1018 wrmsr		0x101b nop
 *
 * The order of memory accesses: the instruction's fetch, its data (for the jump,
 * the fetch at its target, where a HLT stands), the HLT's fetch. With paging on,
 * each is preceded by the guest's own walk, which the simulator's hardware makes.
 */
#include "guest.h"

#include <errno.h>
#include <string.h>

#include <tdpsim/dirty.h>

#define FAULTS_MAX	  64 /* of one step: more is a loop, not a restart */
#define SMI_HANDLER	  0x38000
#define SMI_HANDLER_RIP	  0x8000 /* CS base is SMBASE */
#define INTERNAL_ERROR	  17	 /* KVM_EXIT_INTERNAL_ERROR: the emulator gave up */
#define EPT_READ	  ((uint64_t)1 << 0)
#define EPT_WRITE	  ((uint64_t)1 << 1)
#define EPT_LINEAR	  ((uint64_t)3 << 7) /* valid, and final */
#define EPT_LINEAR_TABLE  ((uint64_t)1 << 7)
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

struct plan guest_plan(const struct event *access)
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

struct plan guest_smi_plan(uint64_t gpa)
{
	struct plan plan = {0};

	add_step(&plan, TDP_FETCH, SMI_HANDLER, SMI_HANDLER_RIP, 0);
	add_step(&plan, TDP_READ, gpa, SMI_HANDLER_RIP, 0);
	add_step(&plan, TDP_FETCH, SMI_HANDLER + 4, SMI_HANDLER_RIP + 4, 2);
	return plan;
}

void guest_reset(struct guest_cpu *cpu)
{
	cpu->registers = (struct tdp_registers){.cr0 = CR0_PROTECTED};
	tdp_vcpu_set_registers(cpu->vcpu, &cpu->registers, TDP_CHANGE_SREGS);
}

struct tdp_registers guest_changed_registers(const struct tdp_registers *before,
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

static void change_register(struct replay *replay, struct guest_cpu *cpu,
			    const struct event *access)
{
	int err;

	cpu->registers = guest_changed_registers(&cpu->registers, access);
	err = tdp_vcpu_set_registers(cpu->vcpu, &cpu->registers, TDP_CHANGE_GUEST);
	if (err)
		replay_fail(replay, err, "the vCPU refuses the register's new value");
}

enum step_result { STEP_DONE, STEP_RESTART, STEP_EMULATE, STEP_OVER };

/* KVM_RUN fails with the fault handler's error; the program under KVM prints it. */
static enum step_result run_failed(struct replay *replay, unsigned int vcpu, int err)
{
	struct event ours = {.kind = EVENT_EXIT};

	ours.u.exit.kind = EXIT_FAILED;
	ours.u.exit.vcpu = vcpu;
	ours.u.exit.err = -err;
	replay_meet(replay, &ours);
	return STEP_OVER;
}

/* Where the events of the fault that begins at `first` end, an exit behind it included. */
size_t guest_fault_end(const struct trace *trace, size_t first)
{
	unsigned int task = trace->events[first].task;
	bool returned = false;
	size_t end;

	for (end = first + 1; end < trace->count; end++) {
		const struct event *event = &trace->events[end];

		if (event->task != task)
			continue;
		if (event->kind == EVENT_EXIT)
			return end + 1;
		if (returned || event->kind == EVENT_PAGE_FAULT || event->kind == EVENT_MISCONFIG ||
		    event_is_marker(event))
			break;
		returned = event->kind == EVENT_RETURN;
	}
	return end;
}

static void prepare_answer(struct replay *replay)
{
	const struct event *first = replay_peek(replay);

	if (first)
		script_prepare(replay, replay->cursor,
			       guest_fault_end(replay->trace, replay->cursor), first->task);
}

bool guest_cannot_answer(struct replay *replay, unsigned int line, unsigned int as_id, uint64_t gpa)
{
	if (script_contradicts(replay, as_id, gpa))
		replay_lose(replay, line,
			    "the trace has another page for a gfn that the simulator maps");
	return replay->over;
}

/* What the machine under the trace reports is input, down to its quirks (replay.h). */
static uint64_t machine_reports(const struct replay *replay, uint64_t code)
{
	if (!replay->quirky_machine || !replay->settings.value[SETTING_FORMAT])
		return code;
	return (code & EPT_LINEAR) == EPT_LINEAR_TABLE && (code & EPT_WRITE) ? code & ~EPT_READ
									     : code;
}

static enum step_result handle_fault(struct replay *replay, unsigned int vcpu, unsigned int as_id,
				     const struct tdp_fault *fault)
{
	struct event ours = {.kind = EVENT_MISCONFIG};
	enum tdp_fault_result result;
	struct tdp_fault reported = *fault;
	int err;

	prepare_answer(replay);
	if (guest_cannot_answer(replay, replay_line(replay), as_id, fault->gpa))
		return STEP_OVER;
	reported.error_code = machine_reports(replay, fault->error_code);
	if (fault->misconfig)
		replay_meet(replay, &ours);
	err = tdp_vcpu_fault(replay->cpus[vcpu].vcpu, &reported, &result);
	script_forget(replay);
	if (replay->over)
		return STEP_OVER;
	if (err && err != -EFAULT && err != -EHWPOISON)
		replay_fail(replay, err, "the fault handler failed");
	if (err)
		return replay->over ? STEP_OVER : run_failed(replay, vcpu, err);
	return result == TDP_FAULT_EMULATE ? STEP_EMULATE : STEP_RESTART;
}

/* What other tasks did before the step, as far as lines and entries tell: all ageing? */
static bool foreign_events(struct replay *replay, unsigned int as_id, const struct step *step)
{
	size_t count = foreign_before(replay, as_id, step);
	const struct event *event;
	bool aged = count > 0;

	while (count-- > 0 && !replay->over && (event = replay_peek(replay)) != NULL) {
		aged &= event->kind == EVENT_AGE || event->kind == EVENT_TEST_AGE;
		host_act(replay, event);
	}
	return aged;
}

/* What stands in front of the lines of the exit, which empties the CPU's log of pages. */
static void foreign_rest(struct replay *replay)
{
	const struct event *event;

	while (!replay->over && (event = replay_peek(replay)) != NULL && host_acts(event) &&
	       !event->vmm)
		host_act(replay, event);
}

static enum step_result run_step(struct replay *replay, unsigned int vcpu, unsigned int as_id,
				 const struct step *step)
{
	struct tdp_access_request request = {
		.address = step->address, .access = step->access, .rip = step->rip};
	struct tdp_access_result result;
	int err;

	if (replay->over)
		return STEP_OVER;
	err = tdp_vcpu_enter(replay->cpus[vcpu].vcpu, &request, &result);
	if (replay->over)
		return STEP_OVER;
	if (err) {
		replay_fail(replay, err, "the vCPU cannot enter the guest");
		return STEP_OVER;
	}
	if (result.outcome == TDP_ACCESS_DONE)
		return STEP_DONE;
	if (result.outcome == TDP_ACCESS_FAULT)
		return handle_fault(replay, vcpu, as_id, &result.fault);
	replay_lose(replay, replay_line(replay),
		    "the simulator's guest cannot make its access to %llx",
		    (unsigned long long)step->address);
	return STEP_OVER;
}

static void mmio_exit(struct replay *replay, const struct event *access, bool write)
{
	struct event ours = {.kind = EVENT_EXIT};

	ours.u.exit.kind = EXIT_MMIO;
	ours.u.exit.vcpu = access->u.access.vcpu;
	ours.u.exit.write = write;
	ours.u.exit.gpa = access->u.access.gpa;
	ours.u.exit.bytes = 4;
	replay_meet(replay, &ours);
}

/*
 * The host executes the instruction in the guest's stead. Reading memory of a
 * read-only slot needs no exit; everything else of an emulated access does.
 * False if the access ends here.
 */
static bool emulate(struct replay *replay, const struct event *access, unsigned int as_id)
{
	struct event ours = {.kind = EVENT_EXIT};
	enum access_op op = access->u.access.op;

	if (op == ACCESS_EXECUTE) {
		ours.u.exit.kind = EXIT_REASON;
		ours.u.exit.vcpu = access->u.access.vcpu;
		ours.u.exit.reason = INTERNAL_ERROR;
		replay_meet(replay, &ours);
		return false;
	}
	if (op != ACCESS_WRITE && !script_slot(&replay->script, as_id, access->u.access.gpa))
		mmio_exit(replay, access, false);
	if (op != ACCESS_READ)
		mmio_exit(replay, access, true);
	return true;
}

static bool same_page(const struct step *a, const struct step *b)
{
	return a->address >> TDP_PAGE_SHIFT == b->address >> TDP_PAGE_SHIFT;
}

/* False if the access ended before its last step. */
static bool run_plan(struct replay *replay, const struct plan *plan, const struct event *access,
		     unsigned int as_id)
{
	unsigned int vcpu = access->u.access.vcpu, faults = 0, i = 0;
	bool aged = false;

	while (i < plan->count && !replay->over) {
		/* Ageing flushes no TLB: the HLT is fetched as the instruction was. */
		aged |= foreign_events(replay, as_id, &plan->steps[i]) && i > 0;
		if (aged && !plan->changes_register && same_page(&plan->steps[i], plan->steps)) {
			i++;
			continue;
		}
		switch (run_step(replay, vcpu, as_id, &plan->steps[i])) {
		case STEP_DONE:
			if (i == 0 && plan->changes_register)
				change_register(replay, &replay->cpus[vcpu], access);
			i++;
			faults = 0;
			break;
		case STEP_RESTART:
			i = plan->steps[i].restart;
			aged = false;
			if (++faults > FAULTS_MAX)
				replay_lose(replay, access->line, "the access faults for ever");
			break;
		case STEP_EMULATE:
			if (!emulate(replay, access, as_id))
				return false;
			i++;
			aged = false;
			break;
		case STEP_OVER:
			return false;
		}
	}
	return !replay->over;
}

static void expect_smm(struct replay *replay, unsigned int vcpu, bool entering)
{
	const struct event *event = replay_peek(replay);
	int err;

	if (!event || event->kind != EVENT_SMM || event->u.smm.entering != entering) {
		replay_lose(replay, replay_line(replay), "the vCPU should %s SMM here",
			    entering ? "enter" : "leave");
		return;
	}
	replay_take(replay);
	err = tdp_vcpu_set_smm(replay->cpus[vcpu].vcpu, entering);
	if (err)
		replay_fail(replay, err, "the vCPU cannot change its address space");
}

/* An injected SMI is taken at the entry, before the first instruction. */
static void take_smi(struct replay *replay, const struct event *access)
{
	const struct event *event = replay_peek(replay);
	struct plan plan = guest_smi_plan(access->u.access.gpa);

	if (!event || event->kind != EVENT_SMM)
		return;
	expect_smm(replay, access->u.access.vcpu, true);
	if (!run_plan(replay, &plan, access, 1))
		return;
	/* RSM is an exit, still in the handler's address space. */
	tdp_vcpu_exit(replay->cpus[access->u.access.vcpu].vcpu);
	expect_smm(replay, access->u.access.vcpu, false);
}

static void run_access(struct replay *replay, const struct event *access)
{
	struct plan plan = guest_plan(access);

	if (access->u.access.vcpu >= replay->cpu_count) {
		replay_lose(replay, access->line, "the trace has no vCPU %u before this line",
			    access->u.access.vcpu);
		return;
	}
	take_smi(replay, access);
	if (replay->over)
		return;
	run_plan(replay, &plan, access, 0);
	foreign_rest(replay);
	if (!replay->over)
		tdp_vcpu_exit(replay->cpus[access->u.access.vcpu].vcpu);
}

void guest_access(struct replay *replay)
{
	const struct event *access = replay_peek(replay);

	replay_take(replay);
	run_access(replay, access);
}

void guest_warm(struct replay *replay)
{
	struct event warm = {.kind = EVENT_ACCESS, .line = replay_peek(replay)->line};

	replay_take(replay);
	host_create_late_vcpus(replay);
	warm.u.access.op = ACCESS_WARM;
	for (unsigned int i = 0; i < replay->cpu_count && !replay->over; i++) {
		warm.u.access.vcpu = i;
		run_access(replay, &warm);
	}
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

void guest_fill_page(struct replay *replay, uint64_t hva, tdp_pfn_t pfn)
{
	const struct scripted_slot *slot = script_slot(&replay->script, 0, 0);
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
