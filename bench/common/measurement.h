/*
 * What a run found: its phases with what each of them counted, and what the VM came
 * to in the end.
 */
#ifndef BENCH_MEASUREMENT_H
#define BENCH_MEASUREMENT_H

#include <tdpsim/tdpsim.h>

#include "common/guest.h"
#include "common/stall.h"
#include "common/stat_fields.h"

#define FAILURES     8
#define PHASE_EXTRAS 8
#define PHASE_NAME   32

/* A number that one driver's phases have and others' do not. */
struct phase_extra {
	const char *name; /* member of the phase's object; borrowed */
	uint64_t value;
};

/* One timed part of a run. */
struct phase {
	const char *name;    /* borrowed */
	unsigned int number; /* shown behind the name, "dirty-1"; 0: none */
	double seconds;
	uint64_t accesses;
	uint64_t faults; /* pf_taken, as the driver counted it */
	uint64_t bytes;	 /* of the distinct backing pages reached */
	/* What the VM counted meanwhile; of its gauges what they were at the end. */
	struct tdp_stats counted;
	struct stall stall; /* the measurement's, once the phase was added */
	/* Where one of what is counted was timed by itself; `per` NULL: it was not. */
	const char *per;   /* "fault": member cpu_ns_per_fault; borrowed */
	double cpu_ns;	   /* of CPU time, for each */
	const char *limit; /* member of struct limits to stand beside it, or NULL; borrowed */
	struct phase_extra extras[PHASE_EXTRAS]; /* the first without a name ends them */
};

/* "dirty-1", as reports have it. */
const char *phase_title(const struct phase *phase, char text[PHASE_NAME]);

/* Adds a number of the driver's own; it has room. */
void phase_extra(struct phase *phase, const char *name, uint64_t value);

/* Zeroed memory is a run that found nothing. */
struct measurement {
	struct phase *phases; /* measurement_fini() frees them */
	size_t phase_count;
	struct tdp_stats stats;
	uint64_t table_bytes, metadata_bytes;
	int64_t resident_bytes; /* grown since before the VM was made */
	bool checked;		/* violations were counted */
	uint64_t violations;
	char failures[FAILURES][160]; /* own checks that failed, a sentence each */
	unsigned int failure_count;   /* may exceed FAILURES */
	bool interrupted;
};

void measurement_fini(struct measurement *measurement);

/* Adds a phase, and takes its stall over. Returns it, until the next one is added. */
struct phase *measurement_phase(struct measurement *measurement, struct phase phase);

/* Notes a failed check; printf-like. */
__attribute__((format(printf, 2, 3))) void measurement_fail(struct measurement *measurement,
							    const char *format, ...);

/* Where the guest is to be checked: adds the checker's verdict of this moment. */
void measurement_check(struct measurement *measurement, const struct guest *guest);

/* Counters and memory, read while nobody runs; with --check the checker's verdict. */
void measurement_take(struct measurement *measurement, const struct guest *guest);

/*
 * The accounting that holds for every run: each fault has one result, and the
 * phases' faults are those that the VM counted.
 */
void measurement_verify(struct measurement *measurement);

#endif
