/*
 * The loop over a trace's events: inputs are driven, and what the simulator then
 * does must be what stands next in the trace.
 */
#include "guest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const enum event_kind kvmmmu_kinds[] = {
	EVENT_FAST_PAGE_FAULT, EVENT_SPTE_REQUESTED, EVENT_GET_PAGE, EVENT_ZAP_PAGE,
	EVENT_SPTE_CHANGED,    EVENT_SET_SPTE,	     EVENT_SPLIT,    EVENT_MARK_MMIO,
	EVENT_CHECK_MMIO,      EVENT_ZAP_ALL_FAST,
};

static const enum event_kind probe_kinds[] = {
	EVENT_RETURN,	 EVENT_MARK_DIRTY, EVENT_FLUSH,	     EVENT_LOAD_ROOT,
	EVENT_MISCONFIG, EVENT_RING_PUSH,  EVENT_RING_RESET,
};

static const enum event_kind marker_kinds[] = {EVENT_REGION_RESULT, EVENT_LOG_RESULT,
					       EVENT_RESET_RESULT, EVENT_RING_ENTRY, EVENT_EXIT};

static const enum event_kind fault_kinds[] = {EVENT_PAGE_FAULT};

/*
 * Tracepoints are switched on by the group, those of the dirty ring with the probes. A trace with
 * one event of a group has the whole group, so one of ours that is missing there is a difference; a
 * group of which it has none was not recorded.
 */
static const struct {
	const enum event_kind *kinds;
	size_t count;
} groups[] = {
	{kvmmmu_kinds, sizeof(kvmmmu_kinds) / sizeof(kvmmmu_kinds[0])},
	{probe_kinds, sizeof(probe_kinds) / sizeof(probe_kinds[0])},
	{marker_kinds, sizeof(marker_kinds) / sizeof(marker_kinds[0])},
	{fault_kinds, sizeof(fault_kinds) / sizeof(fault_kinds[0])},
};

static void find_recorded(struct replay *replay)
{
	bool seen[EVENT_KINDS] = {false};

	for (size_t i = 0; i < replay->trace->count; i++)
		seen[replay->trace->events[i].kind] = true;
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		bool any = false;

		for (size_t k = 0; k < groups[g].count; k++)
			any |= seen[groups[g].kinds[k]];
		for (size_t k = 0; k < groups[g].count; k++)
			replay->recorded[groups[g].kinds[k]] = any;
	}
}

/*
 * An emulator, or hardware: two faults as only hardware reports them, and none as
 * only the emulators do, say hardware.
 */
static bool is_quirky_machine(const struct replay *replay)
{
	bool ept = replay->settings.value[SETTING_FORMAT];
	uint64_t mask = ept ? 0x183 : 0x9, hardware = ept ? 0x83 : 0x9, emulator = ept ? 0x82 : 0x8;
	unsigned int as_hardware = 0, as_emulator = 0;

	for (size_t i = 0; i < replay->trace->count; i++) {
		const struct event *event = &replay->trace->events[i];

		if (event->kind != EVENT_PAGE_FAULT)
			continue;
		as_hardware += (event->u.page_fault.error_code & mask) == hardware;
		as_emulator += (event->u.page_fault.error_code & mask) == emulator;
	}
	return as_emulator > 0 || as_hardware < 2;
}

/* KVM writes the state save area of an SMI itself, into a slot without a log. */
#define GFN_SMRAM_STATE 0x3f

static bool has_no_effect(const struct replay *replay, const struct event *event)
{
	if (event->kind == EVENT_UNMAP || event->kind == EVENT_AGE || event->kind == EVENT_TEST_AGE)
		return !script_hits_slot(&replay->script, event->u.range.start, event->u.range.end);
	if (event->kind == EVENT_NX_RECOVERY)
		return replay->recovering;
	return event->kind == EVENT_MARK_DIRTY && event->u.dirty.gfn == GFN_SMRAM_STATE;
}

const struct event *replay_peek(struct replay *replay)
{
	const struct trace *trace = replay->trace;

	while (replay->cursor < trace->count &&
	       has_no_effect(replay, &trace->events[replay->cursor]))
		replay->cursor++;
	return replay->cursor < trace->count ? &trace->events[replay->cursor] : NULL;
}

void replay_take(struct replay *replay)
{
	replay->cursor++;
}

unsigned int replay_line(struct replay *replay)
{
	const struct event *event = replay_peek(replay);

	return event ? event->line : replay->trace->line_count;
}

static void end_replay(struct replay *replay, enum ending ending)
{
	if (replay->ending < ending)
		replay->ending = ending;
	replay->over = true;
}

void replay_stop(struct replay *replay, unsigned int line, const char *needs)
{
	replay->needs = needs;
	replay->stop_line = line;
	end_replay(replay, ENDING_STOPPED);
}

void replay_fail(struct replay *replay, int err, const char *what)
{
	char reason[sizeof(replay->problem.sentence)];

	if (replay->over)
		return;
	snprintf(reason, sizeof(reason), "%s", replay->problem.sentence);
	problem_state(&replay->problem, err, "%s: %s%s%s", what, strerror(-err),
		      *reason ? ": " : "", reason);
	end_replay(replay, ENDING_FAILED);
}

void replay_lose(struct replay *replay, unsigned int line, const char *format, ...)
{
	char sentence[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	compare_note(&replay->comparison, line, "%s", sentence);
	end_replay(replay, ENDING_DIFFERS);
}

static void lose_place(struct replay *replay, const struct event *theirs, const struct event *ours)
{
	if (theirs->kind == EVENT_FEATURE) {
		replay_stop(replay, theirs->line, theirs->u.feature.name);
		return;
	}
	replay_lose(replay, theirs->line, "the trace has \"%.*s\", the simulator %s%s%.*s%s",
		    (int)theirs->length, theirs->text, event_name(ours->kind),
		    ours->length ? " (" : "", (int)ours->length, ours->length ? ours->text : "",
		    ours->length ? ")" : "");
}

void replay_meet(struct replay *replay, const struct event *ours)
{
	const struct event *theirs;

	if (replay->over || !replay->recorded[ours->kind])
		return;
	if (replay->parallel) {
		parallel_event(replay, ours);
		return;
	}
	theirs = replay_peek(replay);
	if (!theirs) {
		replay_lose(replay, replay->trace->line_count,
			    "the trace has ended, the simulator has %s", event_name(ours->kind));
	} else if (theirs->kind != ours->kind) {
		lose_place(replay, theirs, ours);
	} else {
		compare_events(&replay->comparison, theirs, ours);
		replay_take(replay);
		if (replay->comparison.difference_count >= DIFFERENCES_MAX)
			end_replay(replay, ENDING_DIFFERS);
	}
}

/* Is the VM's end in the trace before its END marker? */
static bool ends_before_end(const struct replay *replay)
{
	for (size_t i = replay->cursor + 1; i < replay->trace->count; i++) {
		const struct event *event = &replay->trace->events[i];

		if (event->kind == EVENT_END)
			return false;
		if (event->kind == EVENT_SPTE_CHANGED || event->kind == EVENT_ZAP_PAGE)
			return true;
	}
	return false;
}

static void phase(struct replay *replay, const struct event *event)
{
	switch (event->u.phase.kind) {
	case PHASE_CREATE:
		host_create_vm(replay, event);
		break;
	case PHASE_WARM:
		guest_warm(replay);
		break;
	case PHASE_PARALLEL:
		if (replay->vm)
			parallel_run(replay);
		else
			replay_lose(replay, event->line, "the trace has no VM at this line");
		break;
	case PHASE_RESET_RINGS:
		replay_take(replay);
		log_reset_rings(replay);
		break;
	case PHASE_DESTROY:
		if (ends_before_end(replay)) {
			replay_take(replay);
			host_destroy_vm(replay);
			break;
		}
		/* fallthrough */
	default:
		replay_take(replay);
	}
}

static void add_range(struct replay *replay, const struct event *event)
{
	replay_take(replay);
	if (!script_add_range(replay, event))
		replay_fail(replay, -ENOMEM, "no memory for the host's ranges");
}

static void drive(struct replay *replay, const struct event *event)
{
	switch (event->kind) {
	case EVENT_PHASE:
		phase(replay, event);
		break;
	case EVENT_ACCESS:
		guest_access(replay);
		break;
	case EVENT_BACKING:
		add_range(replay, event);
		break;
	case EVENT_REGION:
		host_set_region(replay, event);
		break;
	case EVENT_SREGS:
		host_set_sregs(replay, event);
		break;
	case EVENT_UNMAP:
	case EVENT_AGE:
	case EVENT_TEST_AGE:
	case EVENT_NX_RECOVERY:
		host_act(replay, event);
		break;
	case EVENT_ZAP_ALL_FAST:
		host_toggle_nx(replay);
		break;
	case EVENT_PARAMETER:
		host_set_parameter(replay, event);
		break;
	case EVENT_GET_LOG:
		log_read(replay, event);
		break;
	case EVENT_CLEAR_LOG:
		log_clear(replay, event);
		break;
	case EVENT_RING_ENTRY:
		log_read_ring(replay, event);
		break;
	case EVENT_COLLAPSE:
		replay_take(replay);
		script_collapse(replay);
		break;
	case EVENT_END:
		replay_take(replay);
		if (replay->vm)
			host_destroy_vm(replay);
		break;
	case EVENT_CAPABILITY: /* taken into account when the VM was made */
	case EVENT_MARKER:
		replay_take(replay);
		break;
	case EVENT_FEATURE:
		replay_stop(replay, event->line, event->u.feature.name);
		break;
	default:
		replay_lose(replay, event->line, "the trace has \"%.*s\", the simulator nothing",
			    (int)event->length, event->text);
	}
}

void replay_run(struct replay *replay, const struct trace *trace, const struct settings *settings,
		bool check)
{
	const struct event *event;

	memset(replay, 0, sizeof(*replay));
	replay->trace = trace;
	replay->settings = *settings;
	replay->check = check;
	replay->nx_huge_pages = settings->value[SETTING_NX_HUGE_PAGES] != 0;
	replay->comparison.names = &replay->names;
	script_init(replay);
	find_recorded(replay);
	replay->quirky_machine = is_quirky_machine(replay);
	while (!replay->over && (event = replay_peek(replay)) != NULL)
		drive(replay, event);
	if (replay->ending == ENDING_STOPPED)
		host_check_vm(replay);
	if ((replay->comparison.difference_count || replay->violations) &&
	    replay->ending < ENDING_DIFFERS)
		replay->ending = ENDING_DIFFERS;
}

void replay_free(struct replay *replay)
{
	replay->over = true; /* the VM's last events are no part of the replay */
	tdp_vm_destroy(replay->vm);
	tdp_host_destroy(replay->host);
	script_free(&replay->script);
	names_free(&replay->names);
}
