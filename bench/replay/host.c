/*
 * The inputs that come from the host: the VM's making and end, its slots, what
 * happens to the memory under them, registers set from outside.
 */
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <tdpsim/check.h>

#define GIB		      ((uint64_t)1 << 30)
#define MAXPHYADDR	      40 /* of both emulators that the captures come from */
#define NOT_A_FRAME	      ((uint64_t)1 << 52)
#define CAP_DIRTY_LOG_PROTECT 168
#define CAP_DIRTY_RING	      192
#define CAP_DISABLE_QUIRKS    213
#define QUIRK_SLOT_ZAP_ALL    0x80
#define REGION_LOG	      1u
#define REGION_READ_ONLY      2u
#define REGION_GUEST_MEMFD    4u

static void keep_reason(void *context, const char *sentence)
{
	struct replay *replay = context;

	snprintf(replay->problem.sentence, sizeof(replay->problem.sentence), "%s", sentence);
}

/* Behind the frames of the trace one more is kept: the answer to a fault without a page. */
static uint64_t frames_of_trace(const struct trace *trace)
{
	uint64_t limit = 0;

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_SPTE_REQUESTED && event->u.requested.pfn < NOT_A_FRAME &&
		    event->u.requested.pfn >= limit)
			limit = event->u.requested.pfn + 1;
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
		    (event->u.capability.argument & QUIRK_SLOT_ZAP_ALL))
			return true;
	}
	return false;
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
	if (event->u.region.flags & REGION_LOG)
		replay_stop(replay, event->line, "dirty logging");
	else if (event->u.region.flags & REGION_GUEST_MEMFD)
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

void host_unmap(struct replay *replay, const struct event *event)
{
	uint64_t start = event->u.range.start & ~(TDP_PAGE_SIZE - 1);
	uint64_t end = (event->u.range.end + TDP_PAGE_SIZE - 1) & ~(TDP_PAGE_SIZE - 1);

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
	cpu->registers = guest_long_mode();
	err = tdp_vcpu_set_registers(cpu->vcpu, &cpu->registers, TDP_CHANGE_SREGS);
	if (err)
		replay_fail(replay, err, "the vCPU refuses its new registers");
}

/* Capabilities that change nothing here, or were taken into account when the VM was made. */
void host_enable_capability(struct replay *replay, const struct event *event)
{
	switch (event->u.capability.capability) {
	case CAP_DIRTY_LOG_PROTECT:
		replay_stop(replay, event->line, "manual dirty-log protection");
		break;
	case CAP_DIRTY_RING:
		replay_stop(replay, event->line, "the dirty ring");
		break;
	default:
		replay_take(replay);
	}
}
