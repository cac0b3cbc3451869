/*
 * A meter measures what the VM counts, and how long its vCPUs stall, between two moments at which
 * no vCPU runs.
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
 * Call it before the guest is made, so that the memory of the meter does not count as the guest's.
 * If `accesses` is true and the options do not exclude it, stalls are timed. Call meter_fini()
 * after the guest has ended, or while no vCPU runs.
 */
void meter_init(struct meter *meter, const struct guest_options *options, bool accesses);
void meter_fini(struct meter *meter);

/* Starts a phase while no vCPU runs. */
void meter_begin(struct meter *meter, const struct guest *guest);
/* Ends it while no vCPU runs: fills in what the phase counted, and its stall. */
void meter_end(struct meter *meter, struct phase *phase);

#endif
