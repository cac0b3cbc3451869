/*
 * Search: every schedule with at most so many preemptions, one run after the other.
 *
 * A preemption is a switch away from an actor that could have continued. When an actor parks
 * or ends, the search tries all others, which counts as no preemption. When an actor pauses,
 * the next one in the order of indices continues, so that a waiting loop does not add a
 * choice in each of its rounds.
 *
 * Reduction
 *   Two events conflict if two actors make them, they touch one line of memory, one of
 *   them may write, and no chain of conflicting events between them orders them. The
 *   search leaves out a switch just before an event that conflicts with none later, in
 *   any run tried below this point: a switch just before the actor's next event leads to
 *   the same states, and costs no more preemptions. This is dynamic partial-order
 *   reduction (Flanagan, Godefroid, POPL 2005). It is complete within a bound of
 *   preemptions because the search tries every choice of a decision that is no
 *   preemption, and of one that matters (Coons, Musuvathi, McKinley, "Bounded
 *   partial-order reduction", OOPSLA 2013: the conservative backtrack points). With
 *   `all`, or with more than SEARCH_ACTORS actors, it leaves nothing out.
 *
 * The search sees no conflict between actors that communicate through a clock, or through
 * memory that is no shared word. A program that is searched must do neither.
 *
 * Checked by test_virtual_search.c: counts by closed form, and the same final states
 * with and without `all`.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_SEARCH_H
#define TDPSIM_PLATFORM_VIRTUAL_SEARCH_H

#include "platform/virtual/schedule.h"

#define SEARCH_ACTORS 8

/* An event that an actor is about to make. */
struct search_event {
	uintptr_t line; /* number of its first line of memory */
	size_t lines;	/* 0: the event touches no memory */
	bool writes;
};

struct search_decision {
	uint32_t count, taken; /* number of choices, and the one taken; 0 is the default */
	uint32_t preemptions;  /* before this decision */
	bool preempts;	       /* a choice other than the default is a preemption */
	bool matters;	       /* another choice may lead to other states */
};

/* A vector clock: how many events of each actor precede, in the order of conflicts. */
struct search_clock {
	uint32_t before[SEARCH_ACTORS];
};

/* A past event: its 1-based number within its actor, and its decision's number plus one. */
struct search_access {
	uint32_t number;
	uint32_t decision; /* 0: there was no choice */
};

/* The accesses to one line of memory in the present run. */
struct search_line {
	uintptr_t line;
	uint64_t run; /* the run that used the slot; an older one: the slot is free */
	unsigned int writer;
	struct search_access write; /* the last write, by `writer`; number 0: none yet */
	struct search_access reads[SEARCH_ACTORS]; /* each actor's last read since then */
	struct search_clock written, read;
};

struct schedule_search {
	struct schedule schedule; /* hooks filled in by the init; the rest is the caller's */
	unsigned int preemptions_most;
	bool all;
	struct search_decision *decisions; /* of the last run */
	size_t room, count;
	size_t at;	      /* next decision of the present run */
	uint32_t preemptions; /* so far in the present run */
	bool paused;	      /* the acting actor has just paused */
	bool failed;	      /* out of memory: the search is incomplete */
	bool many;	      /* more actors than SEARCH_ACTORS */
	uint64_t run;
	struct search_event *pending; /* by actor */
	size_t actors;
	struct search_clock clocks[SEARCH_ACTORS];
	struct search_line *lines; /* a hash table, a power of two */
	size_t lines_room, lines_used;
};

/* -ENOMEM */
int schedule_search_init(struct schedule_search *search, unsigned int preemptions_most, bool all);
void schedule_search_fini(struct schedule_search *search);
/* Prepares the next run. False after the last run. */
bool schedule_search_next(struct schedule_search *search);

#endif
