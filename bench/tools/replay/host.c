#include "host.h"

#include <tdpsim/memslot.h>
#include <tdpsim/nx.h>
#include <tdpsim/vm.h>

#define CR0_ET		   0x10 /* always set, so the program does not print it */
#define REGION_LOG	   1u
#define REGION_READ_ONLY   2u
#define REGION_GUEST_MEMFD 4u

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
		.backing = &replay->backing,
		.hva = event->u.region.hva,
		.read_only = event->u.region.flags & REGION_READ_ONLY,
		.log_dirty = event->u.region.flags & REGION_LOG,
	};

	return tdp_vm_set_memslot(replay->vm, &slot);
}

/*
 * The end of a log recovers huge pages, and the deletion of a slot may zap its leaves. The
 * walks that begin a log never flush before they yield.
 */
static bool flushes_before_yield(const struct slot *slot, const struct event *event)
{
	return slot->used && (event->u.region.bytes == 0 ||
			      (slot->logged && !(event->u.region.flags & REGION_LOG)));
}

void host_set_region(struct replay *replay, const struct event *event)
{
	struct event ours = {.kind = EVENT_REGION_RESULT};
	struct slot *slot = slots_at(&replay->slots, event->u.region.as_id, event->u.region.slot);
	int err;

	if (host_region_needs_feature(replay, event))
		return;
	if (!replay->vm || !slot) {
		replay_lose(replay, event->line, "this slot cannot be replayed");
		return;
	}
	replay_take(replay);
	if (flushes_before_yield(slot, event))
		replay_begin_walk(replay);
	err = set_memslot(replay, event);
	replay_end_walk(replay);
	if (!err)
		*slot = (struct slot){
			.used = event->u.region.bytes != 0,
			.read_only = event->u.region.flags & REGION_READ_ONLY,
			.logged = event->u.region.flags & REGION_LOG,
			.gpa = event->u.region.gpa,
			.bytes = event->u.region.bytes,
			.hva = event->u.region.hva,
		};
	ours.u.result.rc = err ? -1 : 0;
	ours.u.result.err = -err;
	replay_meet(replay, &ours);
}

void host_set_sregs(struct replay *replay, const struct event *event)
{
	struct guest_cpu *cpu;
	int err;

	if (event->u.sregs.vcpu >= replay->cpu_count) {
		replay_lose(replay, event->line, "the trace has no such vCPU before this line");
		return;
	}
	replay_take(replay);
	cpu = &replay->cpus[event->u.sregs.vcpu];
	cpu->registers = (struct tdp_registers){.cr0 = event->u.sregs.cr0 | CR0_ET,
						.cr3 = event->u.sregs.cr3,
						.cr4 = event->u.sregs.cr4,
						.efer = event->u.sregs.efer};
	err = tdp_vcpu_set_registers(cpu->vcpu, &cpu->registers, TDP_CHANGE_SREGS);
	if (err)
		replay_fail(replay, err, "the vCPU refuses its new registers");
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
