/*
 * age: vCPUs access memory that is marked idle in between, as access_tracking_perf_test does
 * (tools/testing/selftests/kvm, Linux 6.12). The vCPUs write every page of their memory, write and
 * read it again, and then twice more, each time after it was marked idle. As in the selftest, the
 * thread of each vCPU marks its pages.
 *
 * It marks backing pages, as page_idle of the kernel marks folios; one leaf maps each. A page is
 * still idle at the next marking if its vCPU accessed it only through its TLB, which ageing does
 * not flush. Otherwise
 *
 *   with accessed flags     the CPU sets them, no access faults
 *   without (--ad off)      the first access to each old leaf takes a fast page fault
 */
#include "common/crew.h"
#include "common/memory.h"
#include "common/selftest.h"
#include "common/status.h"

#include <inttypes.h>

#define STOP_CHECK_EVERY 64 /* pages between two checks of the flag that ends the run */
#define TOO_MANY	 10 /* warn if 1/10 of the pages is still idle */

/* The last marking of one vCPU. Aligned to cache lines, because all vCPUs count at once. */
struct marks {
	_Alignas(128) uint64_t pages, still_idle; /* marked, and idle before that */
};

/* A run. The director writes it, except that each vCPU writes its marks. */
struct ageing {
	struct measurement *measurement;
	struct marks *marks;
	uint64_t leaves;  /* of all vCPUs */
	uint64_t touched; /* pf_fast of the phase before a marking */
	bool marked;
};

/* What the vCPUs do */

static int write_each(struct crew_vcpu *vcpu, void *context)
{
	(void)context;
	return crew_touch_all(vcpu, TDP_WRITE);
}

static int read_each(struct crew_vcpu *vcpu, void *context)
{
	(void)context;
	return crew_touch_all(vcpu, TDP_READ);
}

/* mark_vcpu_memory_idle() */
static int mark_each(struct crew_vcpu *vcpu, void *context)
{
	const struct guest *guest = crew_guest(vcpu->crew);
	const struct guest_options *options = &guest->options;
	struct marks *marks = &((struct ageing *)context)->marks[vcpu->id];
	uint64_t page = tdp_level_bytes(options->backing), pages = guest_vcpu_pages(options);
	uint64_t hva = tdp_anon_backing(guest->memory)->hva +
		       guest_vcpu_address(options, vcpu->id) - GUEST_BASE;

	*marks = (struct marks){0};
	for (uint64_t i = 0; i < pages; i++, hva += page) {
		if (i % STOP_CHECK_EVERY == 0 && crew_stopped(vcpu->crew))
			return 0;
		marks->still_idle += !tdp_host_age(guest->host, hva, hva + page);
		marks->pages++;
	}
	return 0;
}

/* What is verified */

/* If vCPUs share pages, one may find a page idle that another has just marked. */
static bool pages_are_shared(const struct guest_options *options)
{
	return options->overlap && options->vcpus > 1;
}

static void verify_marks(struct ageing *ageing, const struct guest_options *options,
			 uint64_t still_idle)
{
	uint64_t awoken = ageing->leaves - still_idle;

	if (pages_are_shared(options))
		return;
	if (!ageing->marked && still_idle)
		measurement_fail(ageing->measurement,
				 "%" PRIu64 " pages are idle that were never marked", still_idle);
	/* Without accessed flags only a fault makes an old page young. */
	if (ageing->marked && options->ad == TDP_OFF && ageing->touched != awoken)
		measurement_fail(ageing->measurement,
				 "%" PRIu64 " fast faults made %" PRIu64 " idle pages young",
				 ageing->touched, awoken);
}

static void verify_accesses(const struct ageing *ageing, const struct guest_options *options,
			    const struct phase *phase)
{
	uint64_t taken = phase->counted.pf_taken, fast = phase->counted.pf_fast;
	uint64_t most = ageing->marked && options->ad == TDP_OFF ? ageing->leaves : 0;

	/* Several vCPUs may fault at the same old leaf. */
	if (most && pages_are_shared(options))
		return;
	if (taken != fast || fast > most)
		measurement_fail(ageing->measurement,
				 "%s took %" PRIu64 " faults, %" PRIu64
				 " of them fast, while %" PRIu64 " pages may be old",
				 phase->name, taken, fast, most);
}

/* What the director does */

static int play_accesses(struct crew *crew, struct ageing *ageing, const char *name,
			 crew_part *part)
{
	const struct crew_phase play = {.name = name, .part = part};
	struct phase *phase;
	int err = crew_play(crew, &play, &phase);

	if (err || crew_stopped(crew))
		return err;
	ageing->touched = phase->counted.pf_fast;
	verify_accesses(ageing, &crew_guest(crew)->options, phase);
	return 0;
}

static struct marks marks_of_all(const struct ageing *ageing, const struct guest_options *options)
{
	struct marks all = {0};

	for (unsigned int i = 0; i < options->vcpus; i++) {
		all.pages += ageing->marks[i].pages;
		all.still_idle += ageing->marks[i].still_idle;
	}
	return all;
}

/* The selftest warns as well. */
static void warn_if_idle(const struct guest_options *options, const struct marks *all)
{
	if (!pages_are_shared(options) && all->still_idle &&
	    all->still_idle >= all->pages / TOO_MANY)
		complain("%" PRIu64 " of %" PRIu64
			 " pages are still idle: they were accessed through TLBs, "
			 "which ageing does not flush",
			 all->still_idle, all->pages);
}

static int play_marking(struct crew *crew, struct ageing *ageing, unsigned int number)
{
	const struct crew_phase play = {
		.name = "mark-idle", .number = number, .part = mark_each, .context = ageing};
	const struct guest_options *options = &crew_guest(crew)->options;
	struct phase *phase;
	struct marks all;
	int err = crew_play(crew, &play, &phase);

	if (err)
		return err;
	all = marks_of_all(ageing, options);
	phase_extra(phase, "pages_marked", all.pages);
	phase_extra(phase, "pages_still_idle", all.still_idle);
	if (crew_stopped(crew))
		return 0;
	warn_if_idle(options, &all);
	verify_marks(ageing, options, all.still_idle);
	ageing->marked = true;
	return 0;
}

static int play_idle(struct crew *crew, struct ageing *ageing, unsigned int number,
		     const char *name, crew_part *part)
{
	int err = play_marking(crew, ageing, number);

	return err ? err : play_accesses(crew, ageing, name, part);
}

static int direct(struct crew *crew, void *context)
{
	static const struct crew_phase populate = {.name = "populate", .part = write_each};
	struct ageing *ageing = context;
	int err = crew_play(crew, &populate, NULL);

	if (!err)
		err = play_accesses(crew, ageing, "write-populated", write_each);
	if (!err)
		err = play_accesses(crew, ageing, "read-populated", read_each);
	if (!err)
		err = play_idle(crew, ageing, 1, "write-idle", write_each);
	return err ? err : play_idle(crew, ageing, 2, "read-idle", read_each);
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	struct guest_options *guest = options;
	struct ageing ageing = {
		.measurement = measurement,
		.marks = must_calloc_aligned(_Alignof(struct marks), guest->vcpus,
					     sizeof(*ageing.marks)),
		.leaves = guest_distinct_pages(guest),
	};
	const struct crew_config config = {.direct = direct, .context = &ageing};
	int err = crew_measure(guest, tools, measurement, &config);

	free(ageing.marks);
	return err;
}

static void print_selftest(const struct report_run *run)
{
	static const struct line {
		const char *what, *phase;
		unsigned int number;
	} lines[] = {
		{"Populating memory", "populate", 0},
		{"Writing to populated memory", "write-populated", 0},
		{"Reading from populated memory", "read-populated", 0},
		{"Mark memory idle", "mark-idle", 1},
		{"Writing to idle memory", "write-idle", 0},
		{"Mark memory idle", "mark-idle", 2},
		{"Reading from idle memory", "read-idle", 0},
	};

	selftest_seed(run->options);
	selftest_memory(run->options);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const struct phase *phase = selftest_phase(run, lines[i].phase, lines[i].number);

		if (phase)
			selftest_line(lines[i].what, phase->seconds);
	}
}

int main(int argc, char **argv)
{
	const struct guest_options defaults = GUEST_DEFAULTS;
	const struct driver driver = {
		.name = "age",
		.doc = "Measures marking memory idle, and the accesses of vCPUs after that.",
		.has_iterations = true,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.selftest = print_selftest,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
