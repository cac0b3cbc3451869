/*
 * A stretch of a trace in which several vCPUs run at once, and the groups of events that
 * are replayed as a whole: faults and calls of the host.
 */
#ifndef REPLAY_STRETCH_H
#define REPLAY_STRETCH_H

#include "replay.h"

enum group_kind {
	GROUP_FAULT,
	GROUP_HOST,
	GROUP_STEP, /* one change by a call that lets faults in between its changes */
};

/* The events of one fault or one call of the host. */
struct group {
	enum group_kind kind;
	unsigned int task;
	size_t first, last, place; /* of the trace's events */
	size_t rank;		   /* when it is played */
	bool placed, played;
	bool slow;	 /* it changed an entry under mmu_lock */
	bool free_marks; /* whether it marks pages dirty is not compared */
	bool changed;	 /* a fault that mapped something and did not end in RETRY */
};

/* The access that a vCPU is in. */
struct running {
	const struct event *access; /* NULL: none */
	size_t began;		    /* the access's event */
	unsigned int task;
	size_t faults_left; /* recorded ones, still to be played */
	bool over;	    /* ended by an exit */
	bool maybe_done;    /* its end may have passed without leaving a mark */
};

/* One group comes before another; indices. */
struct edge {
	size_t before, after;
};

struct stretch {
	struct replay *replay;
	size_t first, end; /* of the trace's events */
	size_t at;	   /* the event being played */
	struct group *groups;
	size_t group_count;
	struct group **order; /* the groups by their rank */
	size_t next;	      /* in order: not yet played */
	struct group *playing;
	bool steps;    /* the call being played lets faults in between its changes */
	size_t *rank;  /* of each event: in which order the simulator's events should meet them */
	size_t *owner; /* of each event that opens a group or changes an entry: group + 1 */
	bool *met;     /* of each event: the simulator made it; of an access: it ran early */
	bool *excused; /* of each event: the simulator need not make it */
	struct edge *edges;
	size_t edge_count, edge_room;
	struct running running[VCPUS_MAX];
};

/* Makes room for groups, order and ranks. -ENOMEM. */
int stretch_init(struct stretch *stretch, struct replay *replay, size_t first, size_t end);
void stretch_fini(struct stretch *stretch);

/* Event `i` of the trace. */
const struct event *stretch_event(const struct stretch *stretch, size_t i);
/* The rank of an event that nothing moved; below it is room for those that come first. */
size_t stretch_rank(const struct stretch *stretch, size_t i);

#endif
