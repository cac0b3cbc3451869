/*
 * age: vCPUs use memory whose accessed state the host takes away in between, as
 * access_tracking_perf_test does (tools/testing/selftests/kvm, Linux 6.12). The vCPUs
 * write to every page of their own, write and read it again, and then twice more, each
 * time after it was marked idle. As there, each vCPU's own thread marks its pages.
 *
 * What is marked is a page of the backing, as the kernel's page_idle marks folios, and
 * one leaf maps it. It is idle still at the next marking if its vCPU used it only
 * through its TLB, which ageing does not flush; otherwise
 *
 *   with accessed flags     the CPU sets them, no access faults
 *   without (--ad off)      the first access to each old leaf takes a fast page fault
 */
#include "common/crew.h"
#include "common/memory.h"
#include "common/selftest.h"
#include "common/status.h"

#include <inttypes.h>

#define LOOK_UP_EVERY 64 /* pages between two looks at the flag that ends the run */
#define TOO_MANY      10 /* a share of 1/10 that is still idle spoils what is measured */

/* What one vCPU's markings came to; on lines of its own, for all count at once. */
struct marks {
	_Alignas(128) uint64_t pages, still_idle; /* of the last one */
};

/* A run; the director's, but for each vCPU's marks. */
struct ageing {
	struct measurement *measurement;
	struct marks *marks;
	uint64_t leaves;  /* that the vCPUs have together */
	uint64_t touched; /* pf_fast of the phase before a marking: leaves that came back */
	bool marked;
};

/* The vCPUs' parts */

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
		if (i % LOOK_UP_EVERY == 0 && crew_stopped(vcpu->crew))
			return 0;
		marks->still_idle += !tdp_host_age(guest->host, hva, hva + page);
		marks->pages++;
	}
	return 0;
}

/* What is verified */

/* Where vCPUs share pages, one may find idle what another has just marked. */
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
	/* Without accessed flags nothing but a fault makes an old page young. */
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

	/* Of vCPUs that meet at an old leaf each may fault, and lose to the other. */
	if (most && pages_are_shared(options))
		return;
	if (taken != fast || fast > most)
		measurement_fail(ageing->measurement,
				 "%s took %" PRIu64 " faults, %" PRIu64
				 " of them fast, while %" PRIu64 " pages may be old",
				 phase->name, taken, fast, most);
}

/* The director's part */

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

/* Its selftest says so too. */
static void tell_idle(const struct guest_options *options, const struct marks *all)
{
	if (!pages_are_shared(options) && all->still_idle &&
	    all->still_idle >= all->pages / TOO_MANY)
		complain("%" PRIu64 " of %" PRIu64
			 " pages are idle still, although they were used: "
			 "through TLBs, which ageing does not flush",
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
	tell_idle(options, &all);
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
		.doc = "Measures what it costs to mark memory idle, and vCPUs to use it "
		       "afterwards.",
		.has_iterations = true,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.selftest = print_selftest,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
