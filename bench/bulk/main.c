/*
 * bulk: measures passes over all entries of a guest, in CPU time for each page of 4K. Each
 * pass is made several times, and the median is reported.
 *
 * In a VM that huge pages back. Its log begins with every page marked, so that clearing the
 * log splits (KVM_DIRTY_LOG_INITIALLY_SET):
 *
 *   split    clear one page of each 2M region: its huge leaf is split
 *   clear    clear all other pages, 64 at a time
 *   recover  end logging: each table becomes a huge leaf again
 *
 * In a VM that 4K pages back:
 *
 *   protect  begin logging
 *   fast     the handler of each vCPU makes its pages writable again, one by one, without
 *            mmu_lock; only if D flags do not track writes
 *   get      read the log, which protects the pages in it again
 *   age      clear the accessed state of all pages
 */
#include <stdio.h>
#include <string.h>

#include "bulk/kinds.h"
#include "bulk/rounds.h"
#include "common/memory.h"
#include "common/status.h"

#define WORD_PAGES 64

static const struct parameter bulk_table[] = {
	{"passes", 'i', "N", "passes of each kind; the median is reported (5)", &parameter_count,
	 .offset = offsetof(struct bulk, passes), .least = 1, .most = PASSES_MOST},
	LIMITS_PARAMETER,
};

static const struct parameters bulk_parameters = {"Passes:", bulk_table,
						  sizeof(bulk_table) / sizeof(bulk_table[0])};

/* A slot has whole 2M regions, and at most as many pages as the guest. */
static void make_bitmaps(struct run *run)
{
	size_t pages = run->options->guest.guest_memory >> TDP_PAGE_SHIFT;
	size_t words = pages / WORD_PAGES + 1;

	run->regions = must_calloc(words, sizeof(uint64_t));
	run->all = must_calloc(words, sizeof(uint64_t));
	run->log = must_calloc(words, sizeof(uint64_t));
	memset(run->all, 0xff, words * sizeof(uint64_t));
	for (size_t i = 0; i < words; i += tdp_level_pages(TDP_2M) / WORD_PAGES)
		run->regions[i] = 1;
}

/* What is done in one VM. */
struct session {
	struct run *run;
	int (*rounds)(struct run *run);
};

static int measure_guest(struct guest *guest, const struct driver_tools *tools,
			 struct measurement *measurement, void *context)
{
	const struct session *session = context;
	struct run *run = session->run;
	int err;

	(void)tools;
	(void)measurement;
	run->guest = guest;
	run->entries = guest->options.vcpus * guest->options.bytes >> TDP_PAGE_SHIFT;
	err = session->rounds(run);
	if (err)
		complain("a pass failed: %s", strerror(-err));
	return err;
}

static int measure_both(struct run *run, struct driver_tools *tools, struct tdp_policy *used)
{
	struct guest_options huge = run->options->guest, small = huge;
	struct session of_huge = {run, rounds_of_huge}, of_small = {run, rounds_of_small};
	int err;

	huge.manual_protect = TDP_MANUAL_PROTECT_ALL_SET;
	small.backing = TDP_4K;
	err = driver_with_guest(&huge, tools, run->measurement, measure_guest, &of_huge);
	*used = huge.policy;
	if (err || run_stopped(run))
		return err;
	err = driver_with_guest(&small, tools, run->measurement, measure_guest, &of_small);
	*used = small.policy;
	return err;
}

static void report_side_work(struct measurement *measurement, const char *name,
			     const struct side_work *work)
{
	measurement_phase(measurement, (struct phase){.name = name,
						      .seconds = work->seconds,
						      .accesses = work->accesses,
						      .faults = work->faults});
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	struct bulk *bulk = options;
	struct run run = {.options = bulk, .stop = tools->stop, .measurement = measurement};
	int err;

	kinds_init(run.kinds);
	make_bitmaps(&run);
	err = measure_both(&run, tools, &bulk->guest.policy);
	if (!err) {
		kinds_report(&run);
		report_side_work(measurement, "populate", &run.populate);
		report_side_work(measurement, "write", &run.write);
	}
	if (!err && !measurement->interrupted)
		measurement_verify(measurement);
	free(run.regions);
	free(run.all);
	free(run.log);
	return err;
}

static bool settle(void *options, char *why, size_t size)
{
	const struct guest_options *guest = options;

	if (guest->backing == TDP_4K) {
		snprintf(why, size, "--backing 4k: there is nothing to split, use 2m or 1g");
		return false;
	}
	if (guest->policy.eager_split == TDP_OFF) {
		snprintf(why, size,
			 "--eager-split off: without splits there is nothing to measure");
		return false;
	}
	if (guest->overlap) {
		snprintf(why, size, "--overlap: vCPUs cannot share pages here");
		return false;
	}
	return guest_options_settle(options, why, size);
}

int main(int argc, char **argv)
{
	struct bulk defaults = {.guest = GUEST_DEFAULTS, .passes = 5};
	const struct driver driver = {
		.name = "bulk",
		.doc = "Measures passes over all entries of a guest: splitting, protecting, "
		       "clearing the log, ageing, and giving rights back by fast faults.",
		.parameters = &bulk_parameters,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.settle = settle,
		.has_limits = true,
		.measure = measure,
	};

	defaults.guest.backing = TDP_2M;
	return driver_main(&driver, argc, argv);
}
