/*
 * Search: every schedule with at most so many preemptions, one run after the other.
 *
 * A preemption is a switch away from one who could have gone on. Where one parks or
 * ends, all others are tried, which costs none; where one pauses, the next in their
 * order goes on, so that a waiting loop is not a choice in each of its rounds.
 *
 * What is left out
 *   Two events meet if two actors make them, they touch one line of memory, one of
 *   them may write, and no chain of such events between them orders them. A switch just
 *   before an event that meets none later, in any run tried below this point, is left
 *   out: the switch just before the actor's next event leads to the same states, and
 *   costs no more. This is dynamic partial-order reduction (Flanagan, Godefroid, POPL
 *   2005). It keeps its promise within a number of preemptions because a decision that
 *   is no preemption is always taken every way there is, and so is one that matters
 *   (Coons, Musuvathi, McKinley, "Bounded partial-order reduction", OOPSLA 2013: the
 *   conservative backtrack points). `all` leaves nothing out; nor is anything left out
 *   of runs with more than SEARCH_ACTORS actors.
 *
 * Who decides by a clock, or by memory that is no shared word, is not seen to meet
 * anybody: a program that is searched does neither.
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
	uintptr_t line; /* the first one's number */
	size_t lines;	/* 0: it touches no memory */
	bool writes;
};

struct search_decision {
	uint32_t count, taken; /* of the ready, the default first */
	uint32_t preemptions;  /* before this one */
	bool preempts;	       /* to take another than the default is a preemption */
	bool matters;	       /* to take another may lead elsewhere */
};

/* How many events of each actor come before, in the order that events give each other. */
struct search_clock {
	uint32_t before[SEARCH_ACTORS];
};

/* An event that was made: its actor's how-manieth, from 1, and by which decision, plus one. */
struct search_access {
	uint32_t number;
	uint32_t decision; /* 0: there was no choice */
};

/* What a line of memory has seen in the present run. */
struct search_line {
	uintptr_t line;
	uint64_t run; /* an older one's: free */
	unsigned int writer;
	struct search_access write; /* the last one, by `writer`; number 0: none yet */
	struct search_access reads[SEARCH_ACTORS]; /* since then, the last of each */
	struct search_clock written, read;
};

struct schedule_search {
	struct schedule schedule; /* hooks filled in by the init; the rest is the caller's */
	unsigned int preemptions_most;
	bool all;
	struct search_decision *decisions; /* of the last run */
	size_t room, count;
	size_t at;	      /* in the present run */
	uint32_t preemptions; /* likewise */
	bool paused;	      /* the acting one, just now */
	bool failed;	      /* out of memory: the search is not what it promises */
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
/* Prepares the next run. False once all have been made. */
bool schedule_search_next(struct schedule_search *search);

#endif
