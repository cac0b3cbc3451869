#include "guest.h"

#include "act.h"
#include "foreign.h"
#include "machine.h"
#include "program.h"
#include "script.h"

#include <errno.h>

#include <tdpsim/dirty.h>

#define FAULTS_MAX	 64 /* of one step: more is a loop, not a restart */
#define INTERNAL_ERROR	 17 /* KVM_EXIT_INTERNAL_ERROR: the emulator gave up */
#define EPT_READ	 ((uint64_t)1 << 0)
#define EPT_WRITE	 ((uint64_t)1 << 1)
#define EPT_LINEAR	 ((uint64_t)3 << 7) /* valid, and final */
#define EPT_LINEAR_TABLE ((uint64_t)1 << 7)

static void change_register(struct replay *replay, struct guest_cpu *cpu,
			    const struct event *access)
{
	int err;

	cpu->registers = program_changed_registers(&cpu->registers, access);
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

/*
 * The fault under the cursor begins behind the marks of the pages that the CPU's log held:
 * the exit empties the log first.
 */
static size_t first_of_fault(const struct replay *replay)
{
	const struct trace *trace = replay->trace;
	size_t first = replay->cursor;

	while (first < trace->count && (trace->events[first].kind == EVENT_MARK_DIRTY ||
					trace->events[first].kind == EVENT_RING_PUSH))
		first++;
	return first < trace->count ? first : replay->cursor;
}

static void prepare_answer(struct replay *replay)
{
	size_t first;

	if (!replay_peek(replay))
		return;
	first = first_of_fault(replay);
	script_prepare(replay, first, script_fault_end(replay->trace, first),
		       replay->trace->events[first].task);
}

/* What the CPU reports is input, down to what only an emulator reports (survey.h). */
static uint64_t machine_reports(const struct replay *replay, uint64_t code)
{
	if (!replay->emulated_cpu || !replay_is_ept(replay))
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
	if (script_cannot_answer(replay, replay_line(replay), as_id, fault->gpa))
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

/* Performs what other tasks did before the step. True if all of it was ageing. */
static bool foreign_events(struct replay *replay, unsigned int as_id, const struct step *step)
{
	size_t count = foreign_before(replay, as_id, step);
	const struct event *event;
	bool aged = count > 0;

	while (count-- > 0 && !replay->over && (event = replay_peek(replay)) != NULL) {
		aged &= event->kind == EVENT_AGE || event->kind == EVENT_TEST_AGE;
		act_perform(replay, event);
	}
	return aged;
}

/* Performs what stands before the exit, which empties the CPU's log of pages. */
static void foreign_rest(struct replay *replay)
{
	const struct event *event;

	while (!replay->over && (event = replay_peek(replay)) != NULL && act_recognises(event) &&
	       !event->vmm)
		act_perform(replay, event);
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
 * The host executes the instruction for the guest. To read memory of a read-only slot it
 * needs no exit; for everything else of an emulated access it does. False if the access
 * ends here.
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
	if (op != ACCESS_WRITE && !slots_find(&replay->slots, as_id, access->u.access.gpa))
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
				replay_lose(replay, access->line, "the access faults without end");
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
	struct plan plan = program_smi_plan(access->u.access.gpa);

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
	struct plan plan = program_plan(access);

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
	machine_create_late_vcpus(replay);
	warm.u.access.op = ACCESS_WARM;
	for (unsigned int i = 0; i < replay->cpu_count && !replay->over; i++) {
		warm.u.access.vcpu = i;
		run_access(replay, &warm);
	}
}
