/*
 * A meter: what the VM counts and what its vCPUs feel from one moment in which all
 * of them rest to the next.
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include "common/measurement.h"

struct meter {
	const struct guest *guest; /* from the first meter_begin() on */
	unsigned int vcpus;
	struct tdp_histogram *stalls; /* of each vCPU; NULL: nothing is timed */
	struct tdp_stats before;
};

/*
 * Before the guest is made, so that the meter's own memory is none of the guest's.
 * `accesses`: there will be some, whose stalls are timed unless the options say no.
 * meter_fini() after the guest has ended, or while nobody runs.
 */
void meter_init(struct meter *meter, const struct guest_options *options, bool accesses);
void meter_fini(struct meter *meter);

/* The vCPUs rest, all that follows is the phase's. */
void meter_begin(struct meter *meter, const struct guest *guest);
/* They rest again: fills in what the phase counted, and its stall. */
void meter_end(struct meter *meter, struct phase *phase);

#endif
