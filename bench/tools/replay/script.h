/*
 * The answers of the host's memory management, each taken from the trace of the fault that
 * it belongs to. A resolve looks ahead: to kvm_mmu_spte_requested for the frame, and to the
 * SPTE that came of it for whether the host's own mapping was writable. All else of these
 * lines is the MMU's output and is not looked at here.
 *
 * Acts of the host that stand inside the fault, before its page, happen in the resolve.
 * That is where they happened in the kernel: after the fault took its sequence number and
 * before it took mmu_lock.
 */
#ifndef REPLAY_SCRIPT_H
#define REPLAY_SCRIPT_H

#include "replay.h"

/* Sets replay->backing up: the backing of all slots, as one process has one address space. */
void script_init(struct replay *replay);

/* The host collapsed the range that was unmapped last. */
void script_collapse(struct replay *replay);

/* Behind the last event of the fault that begins at event `first`, an exit included. */
size_t script_fault_end(const struct trace *trace, size_t first);
/*
 * Looks for the host's answer among the events [first, end) of `task` and keeps it for the
 * resolve to come. The exit behind the fault shows that the host refused: the fault's own
 * result is output.
 */
void script_prepare(struct replay *replay, size_t first, size_t end, unsigned int task);
/*
 * True, and the replay lost at `line`, if the simulator maps `gpa` to another page than the
 * one that the host is about to answer with. No host does that without an unmap in between:
 * the trace contradicts itself. If the trace shows no page, the mapped one is the answer.
 */
bool script_cannot_answer(struct replay *replay, unsigned int line, unsigned int as_id,
			  uint64_t gpa);
/* The fault is over. */
void script_forget(struct replay *replay);

#endif
