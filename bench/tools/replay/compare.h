/*
 * Compares an event of the trace with one of the simulator, field by field, and keeps the
 * list of differences.
 */
#ifndef REPLAY_COMPARE_H
#define REPLAY_COMPARE_H

#include "names.h"
#include "trace/event.h"

#define DIFFERENCES_MAX 8

struct difference {
	unsigned int line;
	char sentence[320];
};

struct comparison {
	struct names *names;
	uint64_t compared;	 /* lines of the trace that met an event of the simulator */
	size_t difference_count; /* may exceed the number kept */
	struct difference differences[DIFFERENCES_MAX];
};

/* Compares two events of one kind. */
void compare_events(struct comparison *comparison, const struct event *theirs,
		    const struct event *ours);

/*
 * Compares what a repair found with what the simulator's repair found, where the two are
 * events of different kinds.
 */
void compare_repair(struct comparison *comparison, const struct event *theirs, uint64_t old,
		    uint64_t ours);

/* Notes a difference at a line. */
void compare_note(struct comparison *comparison, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "kvm_mmu_set_spte", "a TLB flush", ... */
const char *event_name(enum event_kind kind);

#endif
