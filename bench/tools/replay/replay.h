/*
 * One trace being replayed: the simulator that it is replayed on, how far the trace has
 * been read, and what came of it.
 *
 * The cursor stands on the first event that has been neither driven nor met. Whoever drives
 * an input takes it first; what the simulator then does meets the events behind it, one by
 * one (replay_meet()). So an output on which the main loop (drive.c) finds the cursor is
 * one that the simulator did not make.
 */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include "compare.h"
#include "names.h"
#include "ranges.h"
#include "settings.h"
#include "slots.h"
#include "spte.h"
#include "trace/problem.h"
#include "trace/trace.h"

#include <tdpsim/host.h>
#include <tdpsim/policy.h>
#include <tdpsim/vcpu.h>

#define VCPUS_MAX 64

struct stretch;

struct guest_cpu {
	struct tdp_vcpu *vcpu;
	struct tdp_registers registers;
};

/* How a replay ended, worst last. */
enum ending {
	ENDING_AGREES,
	ENDING_STOPPED, /* at an event that needs a missing feature: see needs, stop_line */
	ENDING_DIFFERS,
	ENDING_FAILED, /* the replay itself could not go on: see problem */
};

/* What the host answers to the fault under way. */
struct answer {
	bool asked;   /* a fault is under way */
	bool refused; /* the host has no such page, or not for writing */
	bool found;   /* else: the trace shows no page */
	uint64_t pfn;
	unsigned int level;
	bool writable;
};

/*
 * A walk that zaps entries, or replaces tables, owes a flush. It may yield mmu_lock between
 * two entries, and flushes before it does. Where it yields, the host's timer decides: the
 * simulator need not flush there.
 */
struct yielding_walk {
	bool on;
	bool owes_flush;   /* it changed an entry since the last flush */
	bool inside_table; /* the last line is one of a table that is being removed */
	unsigned int yields;
};

struct replay {
	const struct trace *trace;
	struct settings settings;
	const struct spte_bits *bits; /* of the trace's format and kernel */
	size_t cursor;
	enum ending ending;
	bool over;  /* stopped, failed or lost: nothing more is compared */
	bool check; /* run the checker over the simulator's tables at the end */
	uint64_t violations;
	char violation[200]; /* the first one, in words */
	const char *needs;
	unsigned int stop_line;
	struct problem problem;
	struct comparison comparison;
	struct names names;

	/* The simulator. */
	struct tdp_host *host;
	struct tdp_vm *vm;
	struct guest_cpu cpus[VCPUS_MAX];
	unsigned int cpu_count;
	struct tdp_backing backing; /* of all slots: the address space of the process */
	bool nx_huge_pages;	    /* the module's parameter, as it is now */
	bool recovering; /* in a round of NX recovery: its further zap_sp lines begin no new one */
	uint64_t ring_size; /* entries of a vCPU's dirty ring */
	uint64_t ring_next; /* the entry that user space reads next */

	/* The host as the trace shows it. */
	struct slots slots;
	struct ranges ranges;
	struct answer answer;
	uint64_t unmapped_start, unmapped_end; /* the last range: COLLAPSE collapses it */

	/* What a survey of the whole trace says before it is replayed (survey.h). */
	bool recorded[EVENT_KINDS];
	bool lacks_misconfig;
	bool emulated_cpu;
	uint64_t pfn_limit;

	/* A call under way whose walk flushes before it yields mmu_lock. */
	struct yielding_walk walk;

	/*
	 * While several vCPUs run at once: that part of the trace, and the function to which
	 * the simulator's events go. The cursor rests meanwhile. Otherwise NULL.
	 */
	struct stretch *stretch;
	void (*meet_in_stretch)(struct replay *replay, const struct event *ours);
};

/* Prepares a replay of `trace`, with the checker on if `check`; replay_free() ends it. */
void replay_init(struct replay *replay, const struct trace *trace, const struct settings *settings,
		 bool check);
void replay_free(struct replay *replay);

/*
 * The event under the cursor, or NULL at the end. Steps over input that has no effect and
 * over output that is not compared.
 */
const struct event *replay_peek(struct replay *replay);
void replay_take(struct replay *replay);
/* The line under the cursor, or the last one. */
unsigned int replay_line(struct replay *replay);
/* Compares an event of the simulator with the one under the cursor, and takes that. */
void replay_meet(struct replay *replay, const struct event *ours);

/* Around a call whose walk flushes before it yields. */
void replay_begin_walk(struct replay *replay);
void replay_end_walk(struct replay *replay);

/* Ends the replay: the event at `line` needs a feature that is missing. */
void replay_stop(struct replay *replay, unsigned int line, const char *needs);
/* Ends it because the simulator itself failed. */
void replay_fail(struct replay *replay, int err, const char *what);
/* Ends it because trace and simulator are no longer at the same place. */
void replay_lose(struct replay *replay, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Does the trace's machine use EPT? NPT otherwise. */
bool replay_is_ept(const struct replay *replay);
enum tdp_baseline replay_baseline(const struct replay *replay);

#endif
