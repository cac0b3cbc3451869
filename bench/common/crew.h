/*
 * A crew runs the vCPUs of a guest through the phases of a measurement. Each vCPU is an
 * actor. One more actor, the director, starts the phases. All of them meet at a barrier
 * before and after each phase, and between two phases every vCPU waits, so the director
 * can read what the phase counted.
 *
 *	static int direct(struct crew *crew, void *context)
 *	{
 *		const struct crew_phase populate = {.name = "populate", .part = touch_all};
 *
 *		return crew_play(crew, &populate, NULL);
 *	}
 *
 *	err = crew_measure(&options, tools, measurement, &(struct crew_config){.direct = direct});
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "common/driver.h"

struct crew;

/* A vCPU. Aligned to cache lines, because all vCPUs count at the same time. */
struct crew_vcpu {
	_Alignas(128) struct crew *crew;
	unsigned int id;
	uint64_t accesses; /* completed in this phase */
	/* crew.c only */
	uint64_t ready, finished; /* ns */
	int error;		  /* that stopped this vCPU, or 0 */
	enum tdp_outcome outcome; /* of the access that stopped it */
};

/* What a vCPU does in a phase; 0 or a negative errno, which ends the run. */
typedef int crew_part(struct crew_vcpu *vcpu, void *context);
/* What the director does. */
typedef int crew_task(struct crew *crew, void *context);
/* The kind of access that a vCPU makes in the i-th step of a pass over its memory. */
typedef enum tdp_access crew_access(const struct crew_vcpu *vcpu, uint64_t i);

struct crew_phase {
	/*
	 * In the report, followed by `number`; borrowed. NULL: the phase is not reported, and
	 * the next reported phase includes what it counts.
	 */
	const char *name;
	unsigned int number;
	crew_part *part; /* of each vCPU; NULL: the vCPUs wait */
	/*
	 * Of the director, or NULL. If there is a part as well, the part may end only after
	 * crew_task_done(), and the time of the phase is that of the task.
	 */
	crew_task *task;
	void *context; /* for part and task */
};

struct crew_config {
	crew_task *direct; /* the body of the director */
	void *context;
	/* The vCPUs make no accesses: no stalls are timed, and the parts load the roots. */
	bool no_accesses;
	/* Empties the dirty ring of a vCPU that an access found full; NULL: there is no ring. */
	crew_part *ring_full;
	/* Title of the line that shows on a terminal how many pages are mapped; NULL: none. */
	const char *progress;
	/* Checks the result after the last phase, unless the run was interrupted; may be NULL. */
	void (*verify)(const struct guest *guest, struct measurement *measurement, void *context);
};

/*
 * Makes a guest, runs the crew until its director returns, reads counters and memory, and
 * ends the guest. Stores the policies that were used in *options. Returns 0 or a negative
 * errno; the reason has then been printed. Ctrl-C ends the current phase and each later one
 * early.
 */
int crew_measure(struct guest_options *options, const struct driver_tools *tools,
		 struct measurement *measurement, const struct crew_config *config);

/*
 * For the director: runs a phase and adds it to the measurement. If `phase` is not NULL,
 * *phase points to it there, until the next phase is added.
 */
int crew_play(struct crew *crew, const struct crew_phase *play, struct phase **phase);

/* For the director, while the vCPUs wait. */
const struct crew_vcpu *crew_vcpu(const struct crew *crew, unsigned int i);

/* For a vCPU: makes one access, which must succeed; empties the dirty ring if it is full. */
int crew_touch(struct crew_vcpu *vcpu, void *context, uint64_t address, enum tdp_access access);

/* For a vCPU: touches each 4K page of its memory once, in the order that the options choose. */
int crew_touch_all(struct crew_vcpu *vcpu, enum tdp_access access);
/* Likewise for each backing page. `access` chooses the kind of each access; NULL: all write. */
int crew_touch_backing(struct crew_vcpu *vcpu, crew_access *access);

/* For all actors. */
const struct guest *crew_guest(const struct crew *crew);
bool crew_stopped(const struct crew *crew);		   /* by Ctrl-C, or by an error of a vCPU */
const struct tdp_flag *crew_stop(const struct crew *crew); /* its flag */
bool crew_task_done(const struct crew *crew);

#endif
