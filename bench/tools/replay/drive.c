#include "drive.h"

#include "act.h"
#include "guest.h"
#include "host.h"
#include "log.h"
#include "machine.h"
#include "parallel.h"
#include "script.h"
#include "survey.h"

#include <errno.h>

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
		machine_create_vm(replay, event);
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
			machine_destroy_vm(replay);
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
	if (!ranges_add(&replay->ranges, event))
		replay_fail(replay, -ENOMEM, "no memory for the host's ranges");
}

static void take_and_collapse(struct replay *replay)
{
	replay_take(replay);
	script_collapse(replay);
}

static void take_end(struct replay *replay)
{
	replay_take(replay);
	if (replay->vm)
		machine_destroy_vm(replay);
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
		act_perform(replay, event);
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
		take_and_collapse(replay);
		break;
	case EVENT_END:
		take_end(replay);
		break;
	case EVENT_CAPABILITY: /* part of the VM's configuration already */
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

static void survey(struct replay *replay)
{
	survey_recorded(replay->trace, replay->recorded);
	replay->lacks_misconfig = survey_lacks_misconfig(replay->trace, replay_is_ept(replay));
	replay->recorded[EVENT_MISCONFIG] &= !replay->lacks_misconfig;
	replay->emulated_cpu = survey_emulated_cpu(replay->trace, replay_is_ept(replay));
	replay->pfn_limit = survey_pfn_limit(replay->trace);
}

void drive_trace(struct replay *replay, const struct trace *trace, const struct settings *settings,
		 bool check)
{
	const struct event *event;

	replay_init(replay, trace, settings, check);
	survey(replay);
	script_init(replay);
	while (!replay->over && (event = replay_peek(replay)) != NULL)
		drive(replay, event);
	if (replay->ending == ENDING_STOPPED)
		machine_check_vm(replay);
	if ((replay->comparison.difference_count || replay->violations) &&
	    replay->ending < ENDING_DIFFERS)
		replay->ending = ENDING_DIFFERS;
}
