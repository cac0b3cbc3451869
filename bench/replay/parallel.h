/*
 * A stretch of a trace in which several vCPUs run at once: shared by the files that
 * find which events belong together (group.c), let the accesses end (running.c) and
 * play the stretch (parallel.c).
 */
#ifndef REPLAY_PARALLEL_H
#define REPLAY_PARALLEL_H

#include "guest.h"

enum group_kind { GROUP_FAULT, GROUP_HOST };

/* The events of one fault or one host call. */
struct group {
	enum group_kind kind;
	unsigned int task;
	size_t first, last, place; /* of the trace's events */
	bool placed;
	bool changed; /* a fault that mapped something and did not end in RETRY */
};

struct running {
	const struct event *access; /* NULL: the vCPU rests */
	size_t began;		    /* the access's event */
	unsigned int task;
	size_t faults_left; /* recorded ones, still to be played */
	bool over;	    /* ended by an exit */
	bool maybe_done;    /* there was a moment at which its end would have left no mark */
};

struct parallel {
	struct replay *replay;
	size_t first, end; /* of the trace's events */
	size_t at;	   /* the event being played */
	struct group *groups;
	size_t group_count;
	struct group **order; /* the groups by the rank of their place */
	size_t next;	      /* in order: not yet played */
	const struct group *playing;
	size_t *rank; /* of each event: in which order ours should meet them */
	bool *met;    /* of each event: one of ours met it */
	struct running running[VCPUS_MAX];
};

static inline const struct event *event_at(const struct parallel *parallel, size_t i)
{
	return &parallel->replay->trace->events[i];
}

static inline bool same_entry(const struct event *a, const struct event *b)
{
	return a->u.changed.as_id == b->u.changed.as_id && a->u.changed.gfn == b->u.changed.gfn &&
	       a->u.changed.level == b->u.changed.level;
}

/* The simulator's own entry where the trace changes one. */
uint64_t entry_now(struct replay *replay, const struct event *changed);
uint64_t accessed_flag(const struct replay *replay);
uint64_t dirty_flag(const struct replay *replay);

/* The rank of an event that nothing moved; below it is room for those that come first. */
static inline size_t rank_of(const struct parallel *parallel, size_t i)
{
	return (i - parallel->first + 1) << 10;
}

/* Fills groups, order and rank. -ENOMEM. */
int group_events(struct parallel *parallel);

/* running.c: an access begins at its line; the interval of those before ends at any marker. */
void running_begin(struct parallel *parallel, size_t access);
void running_end_interval(struct parallel *parallel, const struct event *marker);
void running_end_all(struct parallel *parallel);
/* Before a group is played: ends the accesses whose flags it shows, or that it would stop. */
void running_before_group(struct parallel *parallel, const struct group *group);

#endif
