/*
 * A stretch of a trace in which several vCPUs run at once: shared by the files that
 * find which events belong together (group.c), let the accesses end (running.c) and
 * play the stretch (parallel.c).
 */
#ifndef REPLAY_PARALLEL_H
#define REPLAY_PARALLEL_H

#include "guest.h"

#define ENTRY_WRITE ((uint64_t)1 << 1) /* in both formats */

/* A step: one change by a call that vCPUs may get between. */
enum group_kind { GROUP_FAULT, GROUP_HOST, GROUP_STEP };

/* The events of one fault or one host call. */
struct group {
	enum group_kind kind;
	unsigned int task;
	size_t first, last, place; /* of the trace's events */
	size_t rank;		   /* when it is played */
	bool placed, played;
	bool slow;	 /* it changed an entry under mmu_lock */
	bool free_marks; /* whether it marks pages dirty is not asked */
	bool changed;	 /* a fault that mapped something and did not end in RETRY */
};

struct running {
	const struct event *access; /* NULL: the vCPU rests */
	size_t began;		    /* the access's event */
	unsigned int task;
	size_t faults_left; /* recorded ones, still to be played */
	bool over;	    /* ended by an exit */
	bool maybe_done;    /* there was a moment at which its end would have left no mark */
};

/* One group that comes before another; indices. */
struct edge {
	size_t before, after;
};

struct parallel {
	struct replay *replay;
	size_t first, end; /* of the trace's events */
	size_t at;	   /* the event being played */
	struct group *groups;
	size_t group_count;
	struct group **order; /* the groups by their rank */
	size_t next;	      /* in order: not yet played */
	struct group *playing;
	bool steps;    /* it is a call that others may get between the changes of */
	size_t *rank;  /* of each event: in which order ours should meet them */
	size_t *owner; /* of each event that opens a group or changes an entry: group + 1 */
	bool *met;     /* of each event: one of ours met it; of an access: it ran early */
	bool *excused; /* of each event: none of ours need meet it */
	struct edge *edges;
	size_t edge_count, edge_room;
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

/* The rank of an event that nothing moved; below it is room for those that come first. */
static inline size_t rank_of(const struct parallel *parallel, size_t i)
{
	return (i - parallel->first + 1) << 20;
}

/* One change of one entry, whoever made it how. */
struct entry_step {
	unsigned int as_id, level;
	uint64_t gfn, old_spte, new_spte;
};

/* The simulator's own entry where the trace changes one. */
uint64_t entry_now(struct replay *replay, const struct entry_step *step);

/* chain.c: in which order the groups are played. -ENOMEM. */
int chain_groups(struct parallel *parallel);
/* False if the event changes no entry. */
bool chain_step(const struct parallel *parallel, const struct event *event,
		struct entry_step *step);
/* Are they steps of the same entry? */
bool chain_same(const struct entry_step *a, const struct entry_step *b);
/* What a repair by the fast path left, whatever became of it before its line was printed. */
uint64_t chain_repaired(const struct parallel *parallel, const struct event *event);
/* Can what the repair's line prints be what became of it? */
bool chain_passes(const struct parallel *parallel, const struct event *repair);
/*
 * Is it a leaf written again for the same page, without its dirty flag? Of two faults on
 * one page the second finds what the first one mapped; two faults one after the other
 * may come to the same or not.
 */
bool chain_rewrites(const struct parallel *parallel, const struct event *event);
/* The group `before` comes before the group `after`; indices. -ENOMEM. */
int chain_require(struct parallel *parallel, size_t before, size_t after);

/* calls.c: whether the fault marks pages dirty is not asked. */
void calls_excuse(struct parallel *parallel, struct group *fault);
/* Puts faults on the side of a change of log_dirty on which they saw the flag. -ENOMEM. */
int calls_order(struct parallel *parallel);

/* Fills groups and order. -ENOMEM. */
int group_events(struct parallel *parallel);

/* running.c: an access begins at its line; the interval of those before ends at any marker. */
void running_begin(struct parallel *parallel, size_t access);
void running_end_interval(struct parallel *parallel, const struct event *marker);
void running_end_all(struct parallel *parallel);
/* Before a group is played: ends the accesses whose flags it shows, or that it would stop. */
void running_before_group(struct parallel *parallel, const struct group *group);
/* The same before a call's step. */
void running_before_step(struct parallel *parallel, const struct group *step);

#endif
