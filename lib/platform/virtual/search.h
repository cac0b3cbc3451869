/*
 * Search: every schedule with at most so many preemptions, one run after the other.
 *
 * A preemption is a switch away from one who could have gone on. Where one parks or
 * ends, all others are tried, which costs none; where one pauses, the next in their
 * order goes on, so that a waiting loop is not a choice in each of its rounds.
 *
 * What is left out
 *   A switch just before an event that meets no event of another actor in any run
 *   tried below this point is left out. Two events meet if they touch one line of
 *   memory and one of them may write. An event that meets none comes to the same
 *   before what the others do and after it: the switch just before the actor's next
 *   event leads to the same states, and costs no more. Should a run further down
 *   show that the event does meet another, the switch is tried after all. This is
 *   dynamic partial-order reduction (Flanagan, Godefroid, POPL 2005), coarse enough to
 *   keep its promise within a number of preemptions (Coons, Musuvathi, McKinley,
 *   OOPSLA 2013): a decision that matters is taken every way there is, and so is one
 *   that is no preemption. `all` leaves nothing out.
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
	size_t actor;	       /* whose event it stands before, if it preempts */
	struct search_event event;
};

/* Who has touched a line in the present run. */
struct search_line {
	uintptr_t line;
	uint64_t run; /* an older one's: free */
	size_t reader, writer;
	bool readers, writers; /* more than the one */
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
	uint64_t run;
	struct search_event *pending; /* by actor */
	size_t actors;
	struct search_line *lines; /* a hash table, a power of two */
	size_t lines_room, lines_used;
};

/* -ENOMEM */
int schedule_search_init(struct schedule_search *search, unsigned int preemptions_most, bool all);
void schedule_search_fini(struct schedule_search *search);
/* Prepares the next run. False once all have been made. */
bool schedule_search_next(struct schedule_search *search);

#endif
