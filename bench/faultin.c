/*
 * faultin: every vCPU touches each backing page of its own new memory once; with
 * --overlap all of them touch the same pages. The time runs from the moment the last
 * vCPU is ready, with its root loaded, until the last page has been touched. Each
 * iteration starts with a new host and a new VM.
 *
 * With --handler no guest runs. Each vCPU calls the fault handler for each page, and the
 * time is the CPU time of its actor. An untimed pass faults in all pages first, and then
 * everything is zapped, so that the timed pass finds free table frames and pages that the
 * host has allocated.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/crew.h"
#include "common/handler.h"
#include "common/memory.h"
#include "common/permute.h"

struct faultin {
	struct guest_options guest; /* first, as driver.h requires */
	bool handler;
};

static const struct parameter faultin_table[] = {
	{"handler", 0, NULL, "time the fault handler alone, in CPU time", &parameter_flag,
	 .offset = offsetof(struct faultin, handler)},
	LIMITS_PARAMETER,
};

static const struct parameters faultin_parameters = {
	"Handler:", faultin_table, sizeof(faultin_table) / sizeof(faultin_table[0])};

enum pass { WARM_UP, TIMED, PASSES };

/* One vCPU of --handler. Aligned to cache lines, because all vCPUs count at the same time. */
struct caller {
	_Alignas(128) struct handler handler;
	struct handler_pass passes[PASSES];
};

/* One measurement; immutable while the vCPUs run, except that each writes its own caller. */
struct run {
	const struct faultin *options;
	struct measurement *measurement;
	struct caller *callers; /* of --handler, one a vCPU */
};

/* The accesses of a guest */

static enum tdp_access access_of_step(const struct crew_vcpu *vcpu, uint64_t i)
{
	const struct guest_options *options = &crew_guest(vcpu->crew)->options;
	uint64_t draw = mix64(mix64(options->seed ^ (uint64_t)vcpu->id << 40) + i) % 100;

	return draw < options->write_percent ? TDP_WRITE : TDP_READ;
}

static int touch_each(struct crew_vcpu *vcpu, void *context)
{
	const struct run *run = context;
	bool writes_only = run->options->guest.write_percent == 100;

	return crew_touch_backing(vcpu, writes_only ? NULL : access_of_step);
}

/* With --overlap each page counts once, however many vCPUs touch it. */
static uint64_t bytes_of(const struct guest_options *options, uint64_t touched)
{
	uint64_t pages = options->overlap ? guest_distinct_pages(options) : touched;

	return pages * tdp_level_bytes(options->backing);
}

static int direct_accesses(struct crew *crew, void *context)
{
	const struct crew_phase fault_in = {
		.name = "fault-in", .part = touch_each, .context = context};
	struct phase *phase;
	int err = crew_play(crew, &fault_in, &phase);

	if (!err)
		phase->bytes = bytes_of(&crew_guest(crew)->options, phase->accesses);
	return err;
}

/* The calls of the handler */

static int call_each(struct crew_vcpu *vcpu, struct run *run, enum pass pass)
{
	struct caller *caller = &run->callers[vcpu->id];

	return handler_run(&caller->handler, crew_stop(vcpu->crew), &caller->passes[pass]);
}

static int load_root(struct crew_vcpu *vcpu, void *context)
{
	(void)context;
	return tdp_vcpu_load_root(crew_guest(vcpu->crew)->vcpus[vcpu->id]);
}

static int warm_up(struct crew_vcpu *vcpu, void *context)
{
	struct run *run = context;
	int err = handler_init(&run->callers[vcpu->id].handler, crew_guest(vcpu->crew), vcpu->id);

	if (!err)
		err = load_root(vcpu, run);
	return err ? err : call_each(vcpu, run, WARM_UP);
}

static int zap_all(struct crew_vcpu *vcpu, void *context)
{
	(void)context;
	if (vcpu->id == 0)
		tdp_mmu_zap_all_fast(crew_guest(vcpu->crew)->vm);
	return 0;
}

static int call_handler(struct crew_vcpu *vcpu, void *context)
{
	return call_each(vcpu, context, TIMED);
}

/* Replaces the time of the crew by that of the passes. */
static void describe(const struct guest_options *options, struct phase *phase,
		     const struct handler_pass *pass)
{
	phase->seconds =
		pass->finished > pass->ready ? (double)(pass->finished - pass->ready) / 1e9 : 0;
	phase->accesses = pass->pages;
	phase->faults = pass->faults;
	phase->bytes = bytes_of(options, pass->pages);
	phase->per = "fault";
	phase->cpu_ns = pass->faults ? (double)pass->cpu_ns / (double)pass->faults : 0;
	phase->limit = options->order == GUEST_RANDOM ? "realistic_random" : "realistic_seq";
}

static int play_pass(struct crew *crew, struct run *run, const char *name, crew_part *part,
		     enum pass pass)
{
	const struct crew_phase play = {.name = name, .part = part, .context = run};
	const struct guest_options *options = &crew_guest(crew)->options;
	struct handler_pass total = {0};
	struct phase *phase;
	int err = crew_play(crew, &play, &phase);

	if (err)
		return err;
	for (unsigned int i = 0; i < options->vcpus; i++)
		handler_add(&total, &run->callers[i].passes[pass]);
	describe(options, phase, &total);
	return 0;
}

/* The report begins with the timed pass, which also selects the median iteration. */
static void put_last_phase_first(struct measurement *measurement)
{
	struct phase last = measurement->phases[measurement->phase_count - 1];

	measurement->phases[measurement->phase_count - 1] = measurement->phases[0];
	measurement->phases[0] = last;
}

static int direct_handler(struct crew *crew, void *context)
{
	static const struct crew_phase zap = {.part = zap_all}, load = {.part = load_root};
	struct run *run = context;
	int err = play_pass(crew, run, "warm-up", warm_up, WARM_UP);

	if (!err)
		err = crew_play(crew, &zap, NULL);
	if (!err)
		err = crew_play(crew, &load, NULL);
	if (!err)
		err = play_pass(crew, run, "handler", call_handler, TIMED);
	if (!err)
		put_last_phase_first(run->measurement);
	return err;
}

/* What is verified */

static void expect_leaves(struct measurement *measurement, const char *name, int64_t found,
			  uint64_t expected)
{
	if (found != (int64_t)expected)
		measurement_fail(measurement, "%s is %" PRId64 ", but %" PRIu64 " were touched",
				 name, found, expected);
}

/*
 * Each page was touched: one leaf of the backing size maps it, it was fixed once in each
 * pass, and the host allocated it once. Before 6.13 KVM rewrote a leaf that already allowed
 * the access, so two vCPUs at one page both count it as fixed.
 */
static void verify_all(const struct guest *guest, struct measurement *measurement, void *context)
{
	const struct run *run = context;
	unsigned int passes = run->options->handler ? PASSES : 1;
	const struct guest_options *options = &guest->options;
	uint64_t pages = guest_distinct_pages(options), fixed = measurement->stats.pf_fixed;
	bool twice = options->overlap && options->policy.spurious_if_allowed != TDP_ON;
	enum tdp_level level = options->backing;

	if (fixed < passes * pages || (fixed > passes * pages && !twice))
		measurement_fail(measurement,
				 "pf_fixed is %" PRIu64 ", but %" PRIu64
				 " distinct pages were touched, %u time(s)",
				 fixed, pages, passes);
	expect_leaves(measurement, "pages_4k", measurement->stats.pages_4k,
		      level == TDP_4K ? pages : 0);
	expect_leaves(measurement, "pages_2m", measurement->stats.pages_2m,
		      level == TDP_2M ? pages : 0);
	expect_leaves(measurement, "pages_1g", measurement->stats.pages_1g,
		      level == TDP_1G ? pages : 0);
	expect_leaves(measurement, "the host's count of pages",
		      (int64_t)tdp_anon_touched(guest->memory), pages);
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	struct faultin *faultin = options;
	struct run run = {
		.options = faultin,
		.measurement = measurement,
		.callers = must_calloc_aligned(_Alignof(struct caller), faultin->guest.vcpus,
					       sizeof(*run.callers)),
	};
	const struct crew_config config = {
		.direct = faultin->handler ? direct_handler : direct_accesses,
		.context = &run,
		.no_accesses = faultin->handler,
		.progress = "fault-in",
		.verify = verify_all,
	};
	int err = crew_measure(&faultin->guest, tools, measurement, &config);

	for (unsigned int i = 0; i < faultin->guest.vcpus; i++)
		handler_fini(&run.callers[i].handler);
	free(run.callers);
	return err;
}

static bool settle(void *options, char *why, size_t size)
{
	const struct faultin *faultin = options;

	if (faultin->handler && faultin->guest.write_percent % 100) {
		snprintf(why, size, "--handler takes faults of one kind: --write-percent 0 or 100");
		return false;
	}
	return guest_options_settle(options, why, size);
}

static bool limited(const void *options)
{
	return ((const struct faultin *)options)->handler;
}

int main(int argc, char **argv)
{
	const struct faultin defaults = {.guest = GUEST_DEFAULTS};
	const struct driver driver = {
		.name = "faultin",
		.doc = "Measures how fast vCPUs fault in their memory: each touches every backing "
		       "page of its own once.",
		.parameters = &faultin_parameters,
		.has_iterations = true,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.settle = settle,
		.has_limits = true,
		.limited = limited,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
