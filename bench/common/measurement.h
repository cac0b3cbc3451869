/*
 * What one run measured: its phases, with what each of them counted, and the state of the VM at the
 * end.
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

/* A number that only the phases of one driver have. */
struct phase_extra {
	const char *name; /* member of the phase's object; borrowed */
	uint64_t value;
};

/* One timed part of a run. */
struct phase {
	const char *name;    /* borrowed */
	unsigned int number; /* shown after the name, "dirty-1"; 0: none */
	double seconds;
	uint64_t accesses;
	uint64_t faults; /* pf_taken, as the driver counted it */
	uint64_t bytes;	 /* of the distinct backing pages reached */
	/* What the VM counted in this phase; gauges have their value at its end. */
	struct tdp_stats counted;
	struct stall stall; /* owned by the measurement, once the phase was added */
	/* CPU time of one operation; `per` is NULL if it was not measured. */
	const char *per;   /* "fault": member cpu_ns_per_fault; borrowed */
	double cpu_ns;	   /* for each operation */
	const char *limit; /* member of struct limits to compare with, or NULL; borrowed */
	struct phase_extra extras[PHASE_EXTRAS]; /* the first without a name ends them */
};

/* "dirty-1", as reports have it. */
const char *phase_title(const struct phase *phase, char text[PHASE_NAME]);

/* Adds a number of the driver, of at most PHASE_EXTRAS. */
void phase_extra(struct phase *phase, const char *name, uint64_t value);

/* Zeroed memory is a measurement without a phase. */
struct measurement {
	struct phase *phases; /* measurement_fini() frees them */
	size_t phase_count;
	struct tdp_stats stats;
	uint64_t table_bytes, metadata_bytes;
	int64_t resident_bytes; /* growth since before the VM was made */
	bool checked;		/* violations were counted */
	uint64_t violations;
	char failures[FAILURES][160]; /* a sentence for each failed check of the driver */
	unsigned int failure_count;   /* may exceed FAILURES */
	bool interrupted;
};

void measurement_fini(struct measurement *measurement);

/* Adds a phase and takes ownership of its stall. The result is valid until the next call. */
struct phase *measurement_phase(struct measurement *measurement, struct phase phase);

/* Adds and prints a failed check. */
__attribute__((format(printf, 2, 3))) void measurement_fail(struct measurement *measurement,
							    const char *format, ...);

/* With --check: calls the checker and adds its violations. */
void measurement_check(struct measurement *measurement, const struct guest *guest);

/* Reads counters and memory while no actor runs; with --check calls the checker. */
void measurement_take(struct measurement *measurement, const struct guest *guest);

/*
 * Checks what holds for every run: each fault has one result, and the phases took as many faults as
 * the VM counted.
 */
void measurement_verify(struct measurement *measurement);

#endif
