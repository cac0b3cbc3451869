/*
 * One trace being replayed: the machine that it is replayed on, how far the trace
 * has been read, and what came of it.
 *
 * The cursor stands on the first event that has been neither driven nor met by one
 * of ours. Whoever drives an input takes it first; what the simulator then does
 * meets the events behind it, one by one, in sink.c. So an event of the MMU on
 * which the main loop finds the cursor is one that our MMU did not make.
 */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include "compare.h"
#include "script.h"
#include "trace/trace.h"

#include <tdpsim/iter.h>
#include <tdpsim/memslot.h>
#include <tdpsim/vcpu.h>

#define VCPUS_MAX 64

struct parallel;

struct guest_cpu {
	struct tdp_vcpu *vcpu;
	struct tdp_registers registers;
};

/* How a replay ended, worst last. */
enum ending {
	ENDING_AGREES,
	ENDING_STOPPED, /* at an event that needs what is not there: see needs, stop_line */
	ENDING_DIFFERS,
	ENDING_FAILED, /* the replay itself could not go on: see problem */
};

struct replay {
	const struct trace *trace;
	struct settings settings;
	size_t cursor;
	enum ending ending;
	bool over;  /* stopped, failed, or lost: nothing more is compared */
	bool check; /* judge the simulator's tables at the end */
	uint64_t violations;
	char violation[200]; /* the first one, in words */
	const char *needs;
	unsigned int stop_line;
	struct problem problem;

	struct tdp_host *host;
	struct tdp_vm *vm;
	struct guest_cpu cpus[VCPUS_MAX];
	unsigned int cpu_count;
	struct script script;
	struct names names;
	struct comparison comparison;
	/* Kinds that this trace records: the others of ours are not missed in it. */
	bool recorded[EVENT_KINDS];
	/*
	 * The machine is one of the emulators that the captures come from, which report two faults
	 * otherwise than hardware. QEMU TCG (target/i386/tcg/sysemu/excp_helper.c): a reserved bit
	 * without P, where an NPT machine reports both (APM vol. 2, 15.25.6). Bochs
	 * (cpu/paging.cc): an access to a guest table as a write, where an EPT machine with A/D
	 * flags reports read and write (SDM vol. 3, 29.3.3.2).
	 */
	bool quirky_machine;
	struct parallel *parallel;     /* while several vCPUs run at once, else NULL */
	bool recovering;	       /* in a round of NX recovery: its other lines say no more */
	bool nx_huge_pages;	       /* the module's parameter, as it is now */
	uint64_t ring_size, ring_next; /* entries; the next one that user space reads */
};

/* Of an entry of the trace's format: Linux PT_ACCESSED_MASK, VMX_EPT_ACCESS_BIT, and so on. */
static inline uint64_t accessed_flag(const struct replay *replay)
{
	return (uint64_t)1 << (replay->settings.value[SETTING_FORMAT] ? 8 : 5);
}

static inline uint64_t dirty_flag(const struct replay *replay)
{
	return (uint64_t)1 << (replay->settings.value[SETTING_FORMAT] ? 9 : 6);
}

/*
 * Replays `trace` as `settings` say, with the checker on if `check`. What came of
 * it stands in *replay, to be freed.
 */
void replay_run(struct replay *replay, const struct trace *trace, const struct settings *settings,
		bool check);
void replay_free(struct replay *replay);

/*
 * The event under the cursor, or NULL at the end. Steps over what has no effect
 * and is not compared.
 */
const struct event *replay_peek(struct replay *replay);
void replay_take(struct replay *replay);
/* The line under the cursor, or the last one. */
unsigned int replay_line(struct replay *replay);
/* From one of ours: compares it with the event under the cursor and takes that. */
void replay_meet(struct replay *replay, const struct event *ours);

/* Ends the replay: at `line` something is needed that is not there. */
void replay_stop(struct replay *replay, unsigned int line, const char *needs);
/* Ends it because the simulator itself failed. */
void replay_fail(struct replay *replay, int err, const char *what);
/* Ends it because trace and simulator are no longer at the same place. */
void replay_lose(struct replay *replay, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* sink.c: our own events, as the VM's config takes them. */
void sink_event(void *context, const struct tdp_trace_event *event);

/* host.c: input that is no guest access. */
void host_create_vm(struct replay *replay, const struct event *event);
void host_create_late_vcpus(struct replay *replay);
/* With the checker on: what does it say of the VM as it is now? */
void host_check_vm(struct replay *replay);
void host_destroy_vm(struct replay *replay);
/* True, and the replay stopped, if the call needs what is not there. */
bool host_region_needs_feature(struct replay *replay, const struct event *event);
void host_set_region(struct replay *replay, const struct event *event);
/*
 * What the host does to its memory, or the kernel to the VM's tables, on its own: an
 * unmap, ageing, a round of NX recovery. host_acts() is true for such an event.
 */
bool host_acts(const struct event *event);
void host_act(struct replay *replay, const struct event *event);
void host_unmap(struct replay *replay, const struct event *event);
/* The parameter's line stands behind what the write did: that begins with a fast zap. */
void host_toggle_nx(struct replay *replay);
void host_set_parameter(struct replay *replay, const struct event *event);
void host_set_sregs(struct replay *replay, const struct event *event);

/* log.c: the calls around the dirty log. */
void log_configure(struct replay *replay, struct tdp_vm_config *config);
void log_read(struct replay *replay, const struct event *event);
void log_clear(struct replay *replay, const struct event *event);
void log_read_ring(struct replay *replay, const struct event *event);
void log_reset_rings(struct replay *replay);

/* parallel.c: from the PHASE line under the cursor to the next one. */
void parallel_run(struct replay *replay);
void parallel_event(struct replay *replay, const struct event *ours);

#endif
