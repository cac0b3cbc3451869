/*
 * faultin: every vCPU touches each backing page of its own fresh memory once; with
 * --overlap all touch the same pages. The clock runs from the moment the last vCPU
 * is ready, its root loaded, until the last page has been touched. Each iteration
 * begins with a new host and a new VM.
 *
 * With --handler there is no guest: the fault handler alone is called for each page,
 * and the clock is the CPU time of each vCPU's own actor. All pages are faulted in
 * once before, and everything is dropped, so that the tables come from those that
 * the first pass gave back and the host knows its pages.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cast.h"
#include "common/driver.h"
#include "common/handler.h"
#include "common/meter.h"
#include "common/permute.h"
#include "common/progress.h"
#include "common/status.h"

#define PROGRESS_NS   200000000
#define LOOK_UP_EVERY 64 /* pages between two looks at the flag that ends the run */

struct faultin {
	struct guest_options guest; /* first, as driver.h wants it */
	bool handler;
	bool no_limits;
};

static const struct parameter faultin_table[] = {
	{"handler", 0, NULL, "time the fault handler alone, in CPU time", &parameter_flag,
	 .offset = offsetof(struct faultin, handler)},
	LIMITS_PARAMETER(struct faultin, no_limits),
};

static const struct parameters faultin_parameters = {
	"Handler:", faultin_table, sizeof(faultin_table) / sizeof(faultin_table[0])};

/* What all vCPUs of one iteration share; immutable while they run. */
struct touching {
	const struct guest *guest;
	tdp_actor_body *body; /* of each vCPU */
	struct tdp_barrier *start, *end;
	struct tdp_flag *stop;	/* Ctrl-C, or a vCPU failed */
	struct tdp_flag *ended; /* all vCPUs have: for the progress line */
	/* --handler: what the first pass counted; vCPU 0's, while the others wait for it. */
	struct meter *meter;
	struct phase *warmed;
};

/* A vCPU's part. On lines of its own: it counts while others count theirs. */
struct toucher {
	_Alignas(128) const struct touching *shared;
	unsigned int id;
	uint64_t ready, finished; /* ns */
	uint64_t touched;
	struct handler_pass warmed, timed; /* --handler */
	int error;			   /* what stopped it, or 0 */
	enum tdp_outcome outcome;	   /* of the access that stopped it */
};

/* The page to touch in step i. */
static uint64_t page_of_step(const struct guest_options *options,
			     const struct permutation *permutation, uint64_t i)
{
	return options->order == GUEST_RANDOM ? permute(permutation, i) : i;
}

static bool step_writes(const struct guest_options *options, unsigned int vcpu, uint64_t i)
{
	if (options->write_percent == 100)
		return true;
	return mix64(mix64(options->seed ^ (uint64_t)vcpu << 40) + i) % 100 <
	       options->write_percent;
}

static int touch_one(struct toucher *toucher, uint64_t address, bool write)
{
	struct tdp_access_request request = {
		.address = address,
		.access = write ? TDP_WRITE : TDP_READ,
	};
	struct tdp_access_result result;
	struct tdp_vcpu *vcpu = toucher->shared->guest->vcpus[toucher->id];
	int err = tdp_vcpu_access(vcpu, &request, &result);

	if (err)
		return err;
	toucher->outcome = result.outcome;
	return result.outcome == TDP_ACCESS_DONE ? 0 : -EFAULT;
}

static int touch_all(struct toucher *toucher)
{
	const struct guest_options *options = &toucher->shared->guest->options;
	uint64_t page = tdp_level_bytes(options->backing), pages = guest_vcpu_pages(options);
	uint64_t base = guest_vcpu_address(options, toucher->id);
	struct permutation permutation =
		permutation_of(pages, mix64(options->seed + (uint64_t)toucher->id * 0x10001));

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t at = page_of_step(options, &permutation, i);
		int err;

		if (i % LOOK_UP_EVERY == 0 && tdp_flag_raised(toucher->shared->stop))
			return 0;
		err = touch_one(toucher, base + at * page, step_writes(options, toucher->id, i));
		if (err)
			return err;
		toucher->touched++;
	}
	return 0;
}

static int vcpu_body(struct tdp_actor *self, void *arg)
{
	struct toucher *toucher = arg;
	const struct touching *shared = toucher->shared;

	(void)self;
	toucher->error = tdp_vcpu_load_root(shared->guest->vcpus[toucher->id]);
	toucher->ready = tdp_clock_now();
	tdp_barrier_wait(shared->start);
	if (!toucher->error)
		toucher->error = touch_all(toucher);
	toucher->finished = tdp_clock_now();
	if (toucher->error)
		tdp_flag_raise(shared->stop);
	tdp_barrier_wait(shared->end);
	if (toucher->id == 0)
		tdp_flag_raise(shared->ended);
	return 0;
}

/* Everything that is mapped goes; each vCPU then loads a new root. */
static int drop_all(const struct toucher *toucher)
{
	const struct touching *shared = toucher->shared;

	tdp_barrier_wait(shared->start);
	if (toucher->id == 0) {
		meter_end(shared->meter, shared->warmed);
		tdp_mmu_zap_all_fast(shared->guest->vm);
	}
	tdp_barrier_wait(shared->start);
	return tdp_vcpu_load_root(shared->guest->vcpus[toucher->id]);
}

/* A vCPU that fails goes on to each barrier, where the others wait for it. */
static int handler_body(struct tdp_actor *self, void *arg)
{
	struct toucher *toucher = arg;
	const struct touching *shared = toucher->shared;
	struct handler handler;
	int err = handler_init(&handler, shared->guest, toucher->id), dropped;

	(void)self;
	if (!err)
		err = tdp_vcpu_load_root(shared->guest->vcpus[toucher->id]);
	if (!err)
		err = handler_run(&handler, shared->stop, &toucher->warmed);
	dropped = drop_all(toucher);
	err = err ? err : dropped;
	if (err)
		tdp_flag_raise(shared->stop);
	tdp_barrier_wait(shared->start);
	if (!err)
		err = handler_run(&handler, shared->stop, &toucher->timed);
	tdp_barrier_wait(shared->end);
	if (toucher->id == 0)
		tdp_flag_raise(shared->ended);
	handler_fini(&handler);
	toucher->error = err;
	toucher->touched = toucher->timed.pages;
	return 0;
}

/* Tells a terminal how far it is; an actor of its own, there only where one looks. */
static int progress_body(struct tdp_actor *self, void *arg)
{
	const struct touching *shared = arg;
	uint64_t all = guest_distinct_pages(&shared->guest->options);
	uint64_t next = tdp_clock_now() + PROGRESS_NS;
	unsigned int rounds = 0;
	struct tdp_stats stats;

	(void)self;
	while (!tdp_flag_raised(shared->ended)) {
		tdp_pause(&rounds);
		if (tdp_clock_now() < next)
			continue;
		tdp_vm_stats(shared->guest->vm, &stats);
		progress_show("fault-in", stats.pf_fixed < all ? stats.pf_fixed : all, all);
		next = tdp_clock_now() + PROGRESS_NS;
	}
	progress_end();
	return 0;
}

/* One actor for each vCPU and, on a terminal, one for the progress line. */
static int run_actors(struct touching *shared, struct toucher *touchers)
{
	const struct guest_options *options = &shared->guest->options;
	size_t count = options->vcpus;
	struct tdp_actor_config *actors = calloc(count + 1, sizeof(*actors));
	int err;

	if (!actors)
		return -ENOMEM;
	for (unsigned int i = 0; i < options->vcpus; i++) {
		touchers[i] = (struct toucher){.shared = shared, .id = i};
		actors[i] = (struct tdp_actor_config){
			.name = "vcpu",
			.body = shared->body,
			.arg = &touchers[i],
			.pinned = options->pin != NULL,
			.cpu = options->pin ? cpu_list_at(options->pin, i) : 0,
		};
	}
	if (progress_wanted())
		actors[count++] = (struct tdp_actor_config){
			.name = "progress", .body = progress_body, .arg = shared};
	err = cast_run(actors, count);
	if (err)
		complain("cannot run %zu actors: %s%s", count, strerror(-err),
			 err == -EINVAL && options->pin ? " (a CPU of --pin is not there)" : "");
	free(actors);
	return err;
}

static void phase_of(const struct guest_options *options, const struct toucher *touchers,
		     struct meter *meter, struct measurement *measurement)
{
	struct phase phase = {.name = "fault-in"};
	uint64_t ready = 0, finished = 0;

	for (unsigned int i = 0; i < options->vcpus; i++) {
		const struct toucher *toucher = &touchers[i];

		ready = toucher->ready > ready ? toucher->ready : ready;
		finished = toucher->finished > finished ? toucher->finished : finished;
		phase.accesses += toucher->touched;
	}
	meter_end(meter, &phase);
	phase.faults = phase.counted.pf_taken;
	phase.seconds = finished > ready ? (double)(finished - ready) / 1e9 : 0;
	phase.bytes = phase.accesses * tdp_level_bytes(options->backing);
	if (options->overlap) /* each page once, however many touched it */
		phase.bytes = guest_distinct_pages(options) * tdp_level_bytes(options->backing);
	measurement_phase(measurement, phase);
}

/* Nobody accesses anything: there is no stall. */
static struct phase handler_phase(const struct guest_options *options, const char *name,
				  const struct handler_pass *pass, const struct tdp_stats *counted)
{
	return (struct phase){
		.name = name,
		.counted = *counted,
		.seconds = pass->finished > pass->ready
				   ? (double)(pass->finished - pass->ready) / 1e9
				   : 0,
		.accesses = pass->pages,
		.faults = pass->faults,
		.bytes = (options->overlap ? guest_distinct_pages(options) : pass->pages) *
			 tdp_level_bytes(options->backing),
		.per = "fault",
		.cpu_ns = pass->faults ? (double)pass->cpu_ns / (double)pass->faults : 0,
		.limit = options->order == GUEST_RANDOM ? "realistic_random" : "realistic_seq",
	};
}

static void handler_phases_of(const struct touching *touching, const struct toucher *touchers,
			      struct measurement *measurement)
{
	const struct guest_options *options = &touching->guest->options;
	struct handler_pass warmed = {0}, timed = {0};
	struct phase now = {0};

	for (unsigned int i = 0; i < options->vcpus; i++) {
		handler_add(&warmed, &touchers[i].warmed);
		handler_add(&timed, &touchers[i].timed);
	}
	meter_end(touching->meter, &now);
	measurement_phase(measurement, handler_phase(options, "handler", &timed, &now.counted));
	measurement_phase(measurement,
			  handler_phase(options, "warm-up", &warmed, &touching->warmed->counted));
}

/* A vCPU that could not go on: the run has no result. */
static int first_error(const struct guest_options *options, const struct toucher *touchers)
{
	for (unsigned int i = 0; i < options->vcpus; i++) {
		const struct toucher *toucher = &touchers[i];

		if (!toucher->error)
			continue;
		complain("vCPU %u stopped after %" PRIu64 " pages: %s (%s)", toucher->id,
			 toucher->touched, strerror(-toucher->error),
			 guest_outcome(toucher->outcome));
		return toucher->error;
	}
	return 0;
}

static void expect_leaves(struct measurement *measurement, const char *name, int64_t found,
			  uint64_t expected)
{
	if (found != (int64_t)expected)
		measurement_fail(measurement, "%s is %" PRId64 ", but %" PRIu64 " were touched",
				 name, found, expected);
}

/*
 * All pages were touched: each is mapped by one leaf of its size, was fixed once,
 * and the host gave each once. Where a kernel rewrites a leaf that allows the
 * access already (before 6.13), two vCPUs on one page count it as fixed twice.
 * `rounds` is how often all was faulted in.
 */
static void verify_all(struct measurement *measurement, const struct guest *guest,
		       unsigned int rounds)
{
	const struct guest_options *options = &guest->options;
	uint64_t pages = guest_distinct_pages(options), fixed = measurement->stats.pf_fixed;
	bool twice = options->overlap && options->policy.spurious_if_allowed != TDP_ON;
	enum tdp_level level = options->backing;

	if (fixed < rounds * pages || (fixed > rounds * pages && !twice))
		measurement_fail(measurement,
				 "pf_fixed is %" PRIu64 ", but %" PRIu64
				 " distinct pages were touched, %u time(s)",
				 fixed, pages, rounds);
	expect_leaves(measurement, "pages_4k", measurement->stats.pages_4k,
		      level == TDP_4K ? pages : 0);
	expect_leaves(measurement, "pages_2m", measurement->stats.pages_2m,
		      level == TDP_2M ? pages : 0);
	expect_leaves(measurement, "pages_1g", measurement->stats.pages_1g,
		      level == TDP_1G ? pages : 0);
	expect_leaves(measurement, "the host's count of pages",
		      (int64_t)tdp_anon_touched(guest->memory), pages);
}

static int touching_init(struct touching *touching, const struct guest *guest, bool handler,
			 struct tdp_flag *stop)
{
	unsigned int vcpus = guest->options.vcpus;
	int err;

	*touching = (struct touching){
		.guest = guest, .body = handler ? handler_body : vcpu_body, .stop = stop};
	err = tdp_barrier_create(vcpus, &touching->start);
	if (!err)
		err = tdp_barrier_create(vcpus, &touching->end);
	if (!err)
		err = tdp_flag_create(&touching->ended);
	return err;
}

static void touching_fini(struct touching *touching)
{
	tdp_flag_destroy(touching->ended);
	tdp_barrier_destroy(touching->end);
	tdp_barrier_destroy(touching->start);
}

static int touch_guest(const struct guest *guest, bool handler, struct meter *meter,
		       struct tdp_flag *stop, struct measurement *measurement)
{
	const struct guest_options *options = &guest->options;
	struct toucher *touchers =
		aligned_alloc(_Alignof(struct toucher), options->vcpus * sizeof(*touchers));
	struct touching touching = {0};
	struct phase warmed = {0};
	int err = touchers ? touching_init(&touching, guest, handler, stop) : -ENOMEM;

	if (!err) {
		touching.meter = meter;
		touching.warmed = &warmed;
		meter_begin(meter, guest);
		err = run_actors(&touching, touchers);
	}
	if (!err)
		err = first_error(options, touchers);
	if (!err) {
		measurement_take(measurement, guest);
		if (handler)
			handler_phases_of(&touching, touchers, measurement);
		else
			phase_of(options, touchers, meter, measurement);
		measurement_verify(measurement);
		measurement->interrupted = tdp_flag_raised(stop);
		if (!measurement->interrupted)
			verify_all(measurement, guest, handler ? 2 : 1);
	}
	touching_fini(&touching);
	free(touchers);
	return err;
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	struct faultin *faultin = options;
	struct meter meter;
	struct guest guest;
	int err;

	meter_init(&meter, &faultin->guest, !faultin->handler);
	err = guest_init(&guest, &faultin->guest, tools->trace, tools->trace_context);
	if (!err) {
		err = touch_guest(&guest, faultin->handler, &meter, tools->stop, measurement);
		faultin->guest.policy = guest.options.policy;
		guest_fini(&guest);
	}
	meter_fini(&meter);
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
	const struct faultin *faultin = options;

	return faultin->handler && !faultin->no_limits;
}

int main(int argc, char **argv)
{
	const struct faultin defaults = {.guest = GUEST_DEFAULTS};
	const struct parameters tables[] = {guest_parameters, iterations_parameters,
					    faultin_parameters, policy_parameters()};
	const struct driver driver = {
		.name = "faultin",
		.doc = "Measures how fast vCPUs fault in their memory: each touches every backing "
		       "page of its own once.",
		.tables = tables,
		.tables_count = sizeof(tables) / sizeof(tables[0]),
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.settle = settle,
		.limited = limited,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
