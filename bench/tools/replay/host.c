/*
 * The inputs that come from the host: the VM's making and end, its slots, what
 * happens to the memory under them, registers set from outside.
 */
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <tdpsim/check.h>
#include <tdpsim/nx.h>

#define GIB		   ((uint64_t)1 << 30)
#define MAXPHYADDR	   40	/* of both emulators that the captures come from */
#define CR0_ET		   0x10 /* always set, so the program does not print it */
#define NOT_A_FRAME	   ((uint64_t)1 << 52)
#define CAP_DISABLE_QUIRKS 213
#define QUIRK_SLOT_ZAP_ALL 0x80
#define REGION_LOG	   1u
#define REGION_READ_ONLY   2u
#define REGION_GUEST_MEMFD 4u

static void keep_reason(void *context, const char *sentence)
{
	struct replay *replay = context;

	snprintf(replay->problem.sentence, sizeof(replay->problem.sentence), "%s", sentence);
}

/* Behind the last page that the host answered with, of whatever size. */
static uint64_t end_of_page(uint64_t pfn, unsigned int level)
{
	uint64_t pages = tdp_level_pages(level <= TDP_LEAF_LEVEL_MAX ? level : 1);

	return (pfn / pages + 1) * pages;
}

/* Behind the frames of the trace one more is kept: the answer to a fault without a page. */
static uint64_t frames_of_trace(const struct trace *trace)
{
	uint64_t limit = 0;

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		uint64_t end;

		if (event->kind != EVENT_SPTE_REQUESTED || event->u.requested.pfn >= NOT_A_FRAME)
			continue;
		end = end_of_page(event->u.requested.pfn, event->u.requested.level);
		limit = end > limit ? end : limit;
	}
	return limit;
}

static int create_host(struct replay *replay)
{
	struct tdp_host_config config = {.size = sizeof(config), .maxphyaddr = MAXPHYADDR};
	uint64_t limit = frames_of_trace(replay->trace);

	replay->script.pfn_limit = limit;
	config.carveout_bytes = (((limit + 1) << 12) + GIB - 1) / GIB * GIB;
	config.memory_bytes = config.carveout_bytes + GIB;
	while (config.maxphyaddr < 52 && config.memory_bytes >> (config.maxphyaddr - 1))
		config.maxphyaddr++;
	config.check = replay->check;
	config.report = keep_reason;
	config.report_context = replay;
	return tdp_host_create(&config, &replay->host);
}

static enum tdp_baseline baseline_of(const struct settings *settings)
{
	switch (settings->value[SETTING_BASELINE]) {
	case REPLAY_6_1:
		return TDP_BASELINE_6_1;
	case REPLAY_6_12:
		return TDP_BASELINE_6_12;
	default:
		return TDP_BASELINE_LATEST;
	}
}

/* A VM's quirks are fixed when it is made; the trace disables them a few lines later. */
static bool disables_slot_zap_all(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_CAPABILITY &&
		    event->u.capability.capability == CAP_DISABLE_QUIRKS &&
		    event->u.capability.rc == 0 &&
		    (event->u.capability.argument & QUIRK_SLOT_ZAP_ALL))
			return true;
	}
	return false;
}

/* A VM has one ratio: a trace that writes several has rounds only under the first. */
static unsigned int recovery_ratio(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_PARAMETER &&
		    event->u.parameter.name == PARAMETER_NX_RATIO && event->u.parameter.value)
			return (unsigned int)event->u.parameter.value;
	}
	return 0;
}

static enum tdp_choice choice(int value)
{
	return value ? TDP_ON : TDP_OFF;
}

static int create_vm(struct replay *replay)
{
	const struct settings *settings = &replay->settings;
	struct tdp_vm_config config = {.size = sizeof(config)};

	config.format = settings->value[SETTING_FORMAT] ? TDP_EPT : TDP_NPT;
	config.levels = (unsigned int)settings->value[SETTING_LEVELS];
	config.baseline = baseline_of(settings);
	config.l1tf = config.format == TDP_EPT; /* as the emulated CPU of the captures */
	config.reserved_not_present = replay->quirky_machine && config.format == TDP_NPT;
	config.no_ad = !settings->value[SETTING_AD];
	config.no_mmio_caching = !settings->value[SETTING_MMIO_CACHING];
	if (disables_slot_zap_all(replay->trace))
		config.policy.slot_zap_all = TDP_OFF;
	config.policy.eager_split = choice(settings->value[SETTING_EAGER_SPLIT]);
	config.policy.nx_huge_pages = choice(replay->nx_huge_pages);
	config.nx_recovery_ratio = recovery_ratio(replay->trace);
	log_configure(replay, &config);
	config.check = replay->check;
	config.trace = sink_event;
	config.trace_context = replay;
	return tdp_vm_create(replay->host, &config, &replay->vm);
}

/* The program makes vCPUs with the VM, or, where it says 0, later: before they warm up. */
static unsigned int vcpus_of_trace(const struct trace *trace)
{
	unsigned int count = 1;

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_ACCESS && event->u.access.vcpu >= count)
			count = event->u.access.vcpu + 1;
	}
	return count < VCPUS_MAX ? count : VCPUS_MAX;
}

static int create_vcpus(struct replay *replay, unsigned int count)
{
	struct tdp_vcpu_config config = {.size = sizeof(config), .no_tlb = true};
	int err = 0;

	for (unsigned int i = 0; i < count && !err; i++) {
		err = tdp_vcpu_create(replay->vm, &config, &replay->cpus[i].vcpu);
		if (!err)
			guest_reset(&replay->cpus[i]);
		replay->cpu_count += !err;
	}
	return err;
}

void host_create_vm(struct replay *replay, const struct event *event)
{
	int err;

	if (event->u.phase.vm_type != 0) {
		replay_stop(replay, event->line, "software-protected VMs");
		return;
	}
	if (replay->host || event->u.phase.vcpus > VCPUS_MAX) {
		replay_lose(replay, event->line, "one VM with at most %d vCPUs can be replayed",
			    VCPUS_MAX);
		return;
	}
	replay_take(replay);
	err = create_host(replay);
	if (!err) {
		replay->names.data_base = tdp_host_carveout(replay->host).n;
		err = create_vm(replay);
	}
	if (!err)
		err = create_vcpus(replay, event->u.phase.vcpus);
	if (err)
		replay_fail(replay, err, "the VM cannot be made");
}

void host_create_late_vcpus(struct replay *replay)
{
	int err;

	if (!replay->vm || replay->cpu_count)
		return;
	err = create_vcpus(replay, vcpus_of_trace(replay->trace));
	if (err)
		replay_fail(replay, err, "the vCPUs cannot be made");
}

static void keep_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	struct replay *replay = context;

	if (!*replay->violation)
		snprintf(replay->violation, sizeof(replay->violation), "%s: %s",
			 tdp_invariant_name(invariant), sentence);
}

void host_check_vm(struct replay *replay)
{
	if (replay->check && replay->vm)
		replay->violations += tdp_vm_check(replay->vm, keep_violation, replay);
}

/* Destruction may come late, after END, where something else still held the VM. */
void host_destroy_vm(struct replay *replay)
{
	host_check_vm(replay);
	tdp_vm_destroy(replay->vm);
	replay->vm = NULL;
	replay->cpu_count = 0;
	memset(replay->script.slots, 0, sizeof(replay->script.slots));
}

bool host_region_needs_feature(struct replay *replay, const struct event *event)
{
	if (event->u.region.flags & REGION_GUEST_MEMFD)
		replay_stop(replay, event->line, "guest_memfd");
	return replay->over;
}

static int set_memslot(struct replay *replay, const struct event *event)
{
	struct tdp_memslot slot = {
		.size = sizeof(slot),
		.address_space = event->u.region.as_id,
		.id = event->u.region.slot,
		.gfn = tdp_gfn(event->u.region.gpa >> 12),
		.pages = event->u.region.bytes >> 12,
		.backing = &replay->script.backing,
		.hva = event->u.region.hva,
		.read_only = event->u.region.flags & REGION_READ_ONLY,
		.log_dirty = event->u.region.flags & REGION_LOG,
	};

	return tdp_vm_set_memslot(replay->vm, &slot);
}

/*
 * The script's own list changes before the call where a slot grows into being, and
 * after it where one goes: host events during the call must find it.
 */
void host_set_region(struct replay *replay, const struct event *event)
{
	struct event ours = {.kind = EVENT_REGION_RESULT};
	struct scripted_slot *slot;
	int err;

	if (host_region_needs_feature(replay, event))
		return;
	if (!replay->vm || event->u.region.as_id >= SCRIPT_SPACES ||
	    event->u.region.slot >= SCRIPT_SLOTS) {
		replay_lose(replay, event->line, "this slot cannot be replayed");
		return;
	}
	if (!replay->parallel)
		replay_take(replay);
	slot = &replay->script.slots[event->u.region.as_id][event->u.region.slot];
	err = set_memslot(replay, event);
	if (!err)
		*slot = (struct scripted_slot){
			.used = event->u.region.bytes != 0,
			.read_only = event->u.region.flags & REGION_READ_ONLY,
			.gpa = event->u.region.gpa,
			.bytes = event->u.region.bytes,
			.hva = event->u.region.hva,
		};
	ours.u.result.rc = err ? -1 : 0;
	ours.u.result.err = -err;
	replay_meet(replay, &ours);
}

/* KVM rounds outwards to pages (hva_to_gfn_memslot() of the ends, virt/kvm/kvm_main.c). */
static uint64_t range_start(const struct event *event)
{
	return event->u.range.start & ~(TDP_PAGE_SIZE - 1);
}

static uint64_t range_end(const struct event *event)
{
	return (event->u.range.end + TDP_PAGE_SIZE - 1) & ~(TDP_PAGE_SIZE - 1);
}

void host_unmap(struct replay *replay, const struct event *event)
{
	uint64_t start = range_start(event), end = range_end(event);

	if (!replay->parallel)
		replay_take(replay);
	replay->script.unmapped_start = start;
	replay->script.unmapped_end = end;
	tdp_host_invalidate_begin(replay->host, start, end);
	tdp_host_invalidate_end(replay->host, start, end);
}

void host_set_sregs(struct replay *replay, const struct event *event)
{
	struct guest_cpu *cpu = &replay->cpus[event->u.sregs.vcpu];
	int err;

	if (event->u.sregs.vcpu >= replay->cpu_count) {
		replay_lose(replay, event->line, "the trace has no such vCPU before this line");
		return;
	}
	replay_take(replay);
	cpu->registers = (struct tdp_registers){.cr0 = event->u.sregs.cr0 | CR0_ET,
						.cr3 = event->u.sregs.cr3,
						.cr4 = event->u.sregs.cr4,
						.efer = event->u.sregs.efer};
	err = tdp_vcpu_set_registers(cpu->vcpu, &cpu->registers, TDP_CHANGE_SREGS);
	if (err)
		replay_fail(replay, err, "the vCPU refuses its new registers");
}

bool host_acts(const struct event *event)
{
	return event->kind == EVENT_UNMAP || event->kind == EVENT_AGE ||
	       event->kind == EVENT_TEST_AGE || event->kind == EVENT_NX_RECOVERY;
}

static void recover(struct replay *replay)
{
	replay->recovering = true;
	tdp_vm_recover_nx_huge_pages(replay->vm);
	replay->recovering = false;
}

void host_act(struct replay *replay, const struct event *event)
{
	if (!replay->vm) {
		replay_lose(replay, event->line, "the trace has no VM at this line");
		return;
	}
	if (event->kind == EVENT_UNMAP) {
		host_unmap(replay, event);
		return;
	}
	replay_take(replay);
	if (event->kind == EVENT_AGE)
		tdp_host_age(replay->host, range_start(event), range_end(event));
	else if (event->kind == EVENT_TEST_AGE)
		tdp_host_test_age(replay->host, event->u.range.start);
	else
		recover(replay);
}

static void set_nx(struct replay *replay, bool on)
{
	replay->nx_huge_pages = on;
	if (replay->vm)
		tdp_vm_set_nx_huge_pages(replay->vm, on);
}

/* The write that the fast zap under the cursor belongs to, or NULL. */
static const struct event *next_write(const struct replay *replay)
{
	const struct trace *trace = replay->trace;
	unsigned int task = trace->events[replay->cursor].task;

	for (size_t i = replay->cursor; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->task == task && event_is_marker(event))
			return event->kind == EVENT_PARAMETER &&
					       event->u.parameter.name == PARAMETER_NX_HUGE_PAGES
				       ? event
				       : NULL;
	}
	return NULL;
}

void host_toggle_nx(struct replay *replay)
{
	const struct event *event = replay_peek(replay), *write = next_write(replay);
	size_t cursor = replay->cursor;

	if (write && replay->vm)
		set_nx(replay, write->u.parameter.value);
	if (replay->cursor == cursor)
		replay_lose(replay, event->line, "the trace has \"%.*s\", the simulator nothing",
			    (int)event->length, event->text);
}

void host_set_parameter(struct replay *replay, const struct event *event)
{
	replay_take(replay);
	if (event->u.parameter.name == PARAMETER_NX_HUGE_PAGES &&
	    replay->nx_huge_pages != (event->u.parameter.value != 0))
		set_nx(replay, event->u.parameter.value);
}
