/*
 * The report lines of the KVM selftests, for scripts that parse them
 * (tools/testing/selftests/kvm, Linux 6.12: dirty_log_perf_test.c,
 * access_tracking_perf_test.c, lib/memstress.c).
 */
#ifndef BENCH_SELFTEST_H
#define BENCH_SELFTEST_H

#include "common/report.h"

#define SELFTEST_TIME 40

/* "2.748378795s" */
const char *selftest_time(double seconds, char text[SELFTEST_TIME]);

/* What memstress prints at its start: seed, guest mode, memory. */
void selftest_seed(const struct guest_options *guest);
void selftest_memory(const struct guest_options *guest);

/* "Populating memory             : 2.748378795s" */
void selftest_line(const char *what, double seconds);

/* The phase of that name and number, or NULL if the run ended before it. */
const struct phase *selftest_phase(const struct report_run *run, const char *name,
				   unsigned int number);

#endif
