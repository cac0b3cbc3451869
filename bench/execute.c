/*
 * execute: vCPUs run code from memory that huge pages map, as execute_perf_test does
 * (posted to the kernel's list in 2022, not merged). Each vCPU writes every 4K page of its memory
 * once, and then fetches from each.
 *
 * With NX huge pages a huge leaf is never executable, so that the second pass faults:
 *
 *   split  one fault for each 2M region. The first one in a 1G leaf splits it into 512 leaves of
 * 2M, not executable, and the 2M leaf of the fetch into 512 executable leaves of 4K. Each further
 * region is one more 2M leaf to split. zap    one fault for each 4K page: the first one in a huge
 * leaf unmaps all of it, and each further page is mapped again alone.
 *
 * Without NX huge pages, or with 4K backing pages, the second pass does not fault.
 */
#include "common/crew.h"
#include "common/selftest.h"

#include <inttypes.h>

static int write_each(struct crew_vcpu *vcpu, void *context)
{
	(void)context;
	return crew_touch_all(vcpu, TDP_WRITE);
}

static int fetch_each(struct crew_vcpu *vcpu, void *context)
{
	(void)context;
	return crew_touch_all(vcpu, TDP_FETCH);
}

/* See above. The memory is aligned to 1G, so regions start with it. */
static uint64_t faults_to_expect(const struct guest_options *options)
{
	uint64_t bytes = options->bytes * (options->overlap ? 1 : options->vcpus);
	uint64_t unit = options->policy.huge_fault == TDP_HUGE_FAULT_ZAP ? TDP_PAGE_SIZE
									 : tdp_level_bytes(TDP_2M);

	if (options->policy.nx_huge_pages != TDP_ON || options->backing == TDP_4K)
		return 0;
	return (bytes + unit - 1) / unit;
}

/* Two vCPUs may fault at the same region; the one that loses the race is counted as well. */
static bool regions_are_shared(const struct guest_options *options)
{
	return options->vcpus > 1 && (options->overlap || options->bytes % tdp_level_bytes(TDP_2M));
}

static void verify_faults(struct crew *crew, struct measurement *measurement,
			  const struct phase *phase)
{
	const struct guest_options *options = &crew_guest(crew)->options;
	uint64_t expected = faults_to_expect(options);
	uint64_t useful = phase->counted.pf_taken - phase->counted.retries;

	if (useful < expected || (useful > expected && !regions_are_shared(options)))
		measurement_fail(measurement,
				 "executing took %" PRIu64 " faults, without retries, instead of "
				 "%" PRIu64,
				 useful, expected);
}

static int direct(struct crew *crew, void *context)
{
	static const struct crew_phase populate = {.name = "populate", .part = write_each};
	static const struct crew_phase execute = {.name = "execute", .part = fetch_each};
	struct measurement *measurement = context;
	struct phase *phase;
	int err = crew_play(crew, &populate, NULL);

	if (!err)
		err = crew_play(crew, &execute, &phase);
	if (err)
		return err;
	phase_extra(phase, "faults_expected", faults_to_expect(&crew_guest(crew)->options));
	if (!crew_stopped(crew))
		verify_faults(crew, measurement, phase);
	return 0;
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	const struct crew_config config = {.direct = direct, .context = measurement};

	return crew_measure(options, tools, measurement, &config);
}

static bool settle(void *options, char *why, size_t size)
{
	struct guest_options *guest = options;

	guest->small_steps = true;
	/* The subject of this driver. The kernel turns it on for CPUs that need it. */
	if (guest->policy.nx_huge_pages == TDP_AS_BASELINE)
		guest->policy.nx_huge_pages = TDP_ON;
	return guest_options_settle(guest, why, size);
}

static void print_selftest(const struct report_run *run)
{
	const struct phase *populate = selftest_phase(run, "populate", 0);
	const struct phase *execute = selftest_phase(run, "execute", 0);

	selftest_seed(run->options);
	selftest_memory(run->options);
	if (populate)
		selftest_line("Populating memory", populate->seconds);
	if (execute)
		selftest_line("Executing from memory", execute->seconds);
}

int main(int argc, char **argv)
{
	const struct guest_options defaults = GUEST_DEFAULTS;
	const struct driver driver = {
		.name = "execute",
		.doc = "Measures how fast vCPUs execute from memory that huge pages map, where "
		       "huge pages are not executable.",
		.has_iterations = true,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.settle = settle,
		.selftest = print_selftest,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
