/*
 * The comparison of one event of the trace with one of ours, field by field, and
 * the list of differences.
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
	uint64_t compared;	 /* lines of the trace that met one of ours */
	size_t difference_count; /* may exceed what is kept */
	struct difference differences[DIFFERENCES_MAX];
};

/* Compares two events of one kind. */
void compare_events(struct comparison *comparison, const struct event *theirs,
		    const struct event *ours);

/* Compares what a repair of the trace found with what ours did, line by line of another kind. */
void compare_repair(struct comparison *comparison, const struct event *theirs, uint64_t old,
		    uint64_t ours);

/* Notes a difference at a line. */
void compare_note(struct comparison *comparison, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "kvm_mmu_set_spte", "a TLB flush", ... */
const char *event_name(enum event_kind kind);

/* What an SPTE is, by the bits that both formats share (Linux spte.h, 5.13 and later). */
bool spte_is_present(uint64_t spte);
bool spte_is_leaf(uint64_t spte, unsigned int level);
uint64_t spte_pfn(uint64_t spte);

#endif
