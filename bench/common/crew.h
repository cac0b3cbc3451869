/*
 * A crew: the vCPUs of a guest, each an actor, who go from phase to phase together,
 * and a director, an actor beside them, who says what comes next. Between two phases
 * all vCPUs rest, so that what a phase counted and what its vCPUs felt can be told
 * from what came before and after.
 *
 *	static int direct(struct crew *crew, void *context)
 *	{
 *		const struct crew_phase populate = {.name = "populate", .part = touch_all};
 *
 *		return crew_play(crew, &populate, NULL);
 *	}
 *
 *	err = crew_run(&guest, tools, measurement, &(struct crew_play){.direct = direct});
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "common/driver.h"
#include "common/meter.h"

struct crew;

/* A vCPU. On lines of its own: it counts while others count theirs. */
struct crew_vcpu {
	_Alignas(128) struct crew *crew;
	unsigned int id;
	uint64_t accesses; /* of this phase, done */
	/* crew.c only */
	uint64_t ready, finished; /* ns */
	int error;		  /* what stopped it, or 0 */
	enum tdp_outcome outcome; /* of the access that stopped it */
};

/* A vCPU's part of a phase; 0 or a negative errno, which ends the run. */
typedef int crew_part(struct crew_vcpu *vcpu, void *context);
/* What the director does. */
typedef int crew_task(struct crew *crew, void *context);

struct crew_phase {
	const char *name; /* of the phase in the report, with `number`; borrowed */
	unsigned int number;
	crew_part *part; /* of each vCPU; NULL: they rest */
	/*
	 * The director's, or NULL. With a part beside it that goes on until
	 * crew_task_done(); the phase then takes as long as the task.
	 */
	crew_task *task;
	void *context; /* for both */
};

/* What a driver brings. */
struct crew_config {
	struct meter *meter;
	crew_task *direct; /* the director's body */
	void *context;
	/* Makes room where an access found the vCPU's dirty ring full; NULL: it never is. */
	crew_part *ring_full;
};

/*
 * Runs the crew until its director ends. 0 or a negative errno; then a sentence has
 * told why. Ctrl-C ends the phase that is under way and each one after it at once.
 */
int crew_run(const struct guest *guest, const struct driver_tools *tools,
	     struct measurement *measurement, const struct crew_config *config);

/*
 * For the director: a phase from begin to end, added to the measurement. `phase`, if
 * not NULL, is where it stands there, until the next one.
 */
int crew_play(struct crew *crew, const struct crew_phase *play, struct phase **phase);

/* For the director, while all rest. */
const struct crew_vcpu *crew_vcpu(const struct crew *crew, unsigned int i);

/* For a vCPU: an access of its own that must be done, a full ring served in between. */
int crew_touch(struct crew_vcpu *vcpu, void *context, uint64_t address, enum tdp_access access);

/* For a vCPU: touches each 4K page of its own once, in the order that the options ask for. */
int crew_touch_all(struct crew_vcpu *vcpu, enum tdp_access access);

/* For everybody. */
const struct guest *crew_guest(const struct crew *crew);
bool crew_stopped(const struct crew *crew); /* by Ctrl-C, or an error of somebody */
bool crew_task_done(const struct crew *crew);

#endif
