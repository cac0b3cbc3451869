/*
 * The host's memory as a trace shows it. The ranges come from its HOST lines; what
 * the host answered for a page stands in the fault itself, further down, so a
 * resolve looks ahead: to kvm_mmu_spte_requested for the frame, and to the SPTE
 * that came of it for whether the host's own mapping was writable. All else of
 * these lines is the MMU's and is not looked at here.
 *
 * Host events that stand inside the fault, before its page, happen in the resolve,
 * where they happened in the kernel: after the fault took its sequence number and
 * before it took mmu_lock.
 */
#ifndef REPLAY_SCRIPT_H
#define REPLAY_SCRIPT_H

#include "trace/event.h"

#include <tdpsim/host.h>
#include <tdpsim/iter.h>

struct replay;

struct range {
	uint64_t hva, bytes;
	unsigned int level;	       /* 0: the trace tells, page by page */
	uint64_t told_start, told_end; /* likewise for this part */
	struct range *next;
};

/* A slot as the trace's calls made it. */
struct scripted_slot {
	bool used, read_only;
	uint64_t gpa, bytes, hva;
};

#define SCRIPT_SPACES 2
#define SCRIPT_SLOTS  64

/* What the host answers to the fault under way. */
struct answer {
	bool asked;   /* a fault is under way */
	bool refused; /* the host has no such page, or not for writing */
	bool found;   /* else: no page of it is in the trace */
	uint64_t pfn;
	unsigned int level;
	bool writable;
};

struct script {
	struct tdp_backing backing; /* all of the process's addresses */
	struct range *ranges;	    /* youngest first */
	struct scripted_slot slots[SCRIPT_SPACES][SCRIPT_SLOTS];
	/* Of the fault being replayed: where its events stand in the trace. */
	size_t fault_first, fault_end;
	unsigned int fault_task;
	struct answer answer;
	uint64_t unmapped_start, unmapped_end; /* the last one, for COLLAPSE */
	uint64_t pfn_limit;		       /* first frame above all frames of the trace */
};

void script_init(struct replay *replay);
/* Takes HOST backing. False without memory. */
bool script_add_range(struct replay *replay, const struct event *event);
struct range *script_range(struct script *script, uint64_t hva);
void script_free(struct script *script);

void script_collapse(struct replay *replay);

/* Does the host range touch any slot? */
bool script_hits_slot(const struct script *script, uint64_t start, uint64_t end);
/* The slot that holds `gpa`, or NULL. */
const struct scripted_slot *script_slot(const struct script *script, unsigned int as_id,
					uint64_t gpa);

/*
 * Looks for the host's answer among the events [first, end) of `task` and keeps it
 * for the resolve to come. That the host refused shows in the exit behind the
 * fault: the fault's own result is the MMU's.
 */
void script_prepare(struct replay *replay, size_t first, size_t end, unsigned int task);
/* The leaf that maps `gpa` in the simulator now; false if none does. */
bool script_leaf(struct replay *replay, unsigned int as_id, uint64_t gpa, struct tdp_entry *leaf);
/*
 * Is `gpa` mapped to another page than the one that the host is about to answer with?
 * No host does that without an unmap in between: the trace contradicts itself. Where
 * the trace has no page the mapped one is answered.
 */
bool script_contradicts(struct replay *replay, unsigned int as_id, uint64_t gpa);
/* The fault is over. */
void script_forget(struct replay *replay);

#endif
