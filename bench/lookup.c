/*
 * lookup: measures lookups of pages in the tables through the library, in CPU time for each. First
 * the memory of the guest is faulted in. Then every vCPU looks up each of its pages, in ascending
 * or random order: once with a call for each page (`single`), and once with calls for many pages
 * (`batch`).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cast.h"
#include "common/driver.h"
#include "common/handler.h"
#include "common/status.h"

#define BATCH_MOST 4096

struct lookup_options {
	struct guest_options guest; /* first, as driver.h requires */
	unsigned int batch;
};

static const struct parameter lookup_table[] = {
	{"batch", 0, "N", "pages in one call (256)", &parameter_count,
	 .offset = offsetof(struct lookup_options, batch), .least = 1, .most = BATCH_MOST},
	LIMITS_PARAMETER,
};

static const struct parameters lookup_parameters = {"Lookups:", lookup_table,
						    sizeof(lookup_table) / sizeof(lookup_table[0])};

/* What all vCPUs share; immutable while they run. */
struct looking {
	const struct guest *guest;
	unsigned int batch;
	struct tdp_barrier *start;
	const struct tdp_flag *stop;
};

/* One vCPU. Aligned to cache lines, because all vCPUs count at the same time. */
struct looker {
	_Alignas(128) const struct looking *shared;
	struct handler handler; /* for the order */
	uint64_t base, step;	/* frame of page 0, and frames of a page */
	struct handler_pass single, batch;
	tdp_gfn_t *gfns;	   /* of one batch */
	struct tdp_entry *entries; /* results of one batch */
	uint64_t wrong;		   /* lookups that did not find the leaf */
	int error;
};

/* Looks up the pages of `count` steps from `first` on; counts the right results. */
typedef int ask(const struct looker *looker, uint64_t first, uint64_t count, uint64_t *right);

static tdp_gfn_t gfn_of_step(const struct looker *looker, uint64_t i)
{
	uint64_t page = looker->handler.order ? looker->handler.order[i] : i;

	return tdp_gfn(looker->base + page * looker->step);
}

static bool is_right(const struct tdp_entry *entry, tdp_gfn_t gfn)
{
	return entry->leaf && entry->gfn.n == gfn.n;
}

static int ask_single(const struct looker *looker, uint64_t first, uint64_t count, uint64_t *right)
{
	struct tdp_vcpu *vcpu = looker->shared->guest->vcpus[looker->handler.vcpu];
	struct tdp_entry entry;

	for (uint64_t i = first; i < first + count; i++) {
		tdp_gfn_t gfn = gfn_of_step(looker, i);
		int err = tdp_vcpu_lookup(vcpu, gfn, &entry);

		if (err)
			return err;
		*right += is_right(&entry, gfn);
	}
	return 0;
}

static int ask_batch(const struct looker *looker, uint64_t first, uint64_t count, uint64_t *right)
{
	struct tdp_vcpu *vcpu = looker->shared->guest->vcpus[looker->handler.vcpu];
	struct tdp_entry *entries = looker->entries;
	tdp_gfn_t *gfns = looker->gfns;
	int err;

	for (uint64_t i = 0; i < count; i++)
		gfns[i] = gfn_of_step(looker, first + i);
	err = tdp_vcpu_lookup_many(vcpu, gfns, count, entries);
	for (uint64_t i = 0; !err && i < count; i++)
		*right += is_right(&entries[i], gfns[i]);
	return err;
}

/* One pass over all pages, `batch` of them at a time. */
static int look_at_all(struct looker *looker, ask *ask, struct handler_pass *pass)
{
	const struct looking *shared = looker->shared;
	uint64_t pages = guest_vcpu_pages(&shared->guest->options), right = 0;
	struct handler_pass mine = {.ready = tdp_clock_now()};
	uint64_t cpu = tdp_clock_cpu_now();
	int err = 0;

	while (!err && mine.pages < pages && !tdp_flag_raised(shared->stop)) {
		uint64_t left = pages - mine.pages;
		uint64_t count = left < shared->batch ? left : shared->batch;

		err = ask(looker, mine.pages, count, &right);
		mine.pages += count;
	}
	mine.cpu_ns = tdp_clock_cpu_now() - cpu;
	mine.finished = tdp_clock_now();
	looker->wrong += mine.pages - right;
	*pass = mine;
	return err;
}

static int looker_body(struct tdp_actor *self, void *arg)
{
	struct looker *looker = arg;
	const struct looking *shared = looker->shared;

	(void)self;
	tdp_barrier_wait(shared->start);
	looker->error = look_at_all(looker, ask_single, &looker->single);
	tdp_barrier_wait(shared->start);
	if (!looker->error)
		looker->error = look_at_all(looker, ask_batch, &looker->batch);
	return looker->error;
}

static struct phase phase_of(const struct guest_options *options, const char *name,
			     const struct handler_pass *pass)
{
	return (struct phase){
		.name = name,
		.seconds = pass->finished > pass->ready
				   ? (double)(pass->finished - pass->ready) / 1e9
				   : 0,
		.accesses = pass->pages,
		.bytes = (options->overlap ? guest_distinct_pages(options) : pass->pages) *
			 tdp_level_bytes(options->backing),
		.per = "lookup",
		.cpu_ns = pass->pages ? (double)pass->cpu_ns / (double)pass->pages : 0,
		.limit = "seq_walk",
	};
}

static void phases_of(const struct guest_options *options, const struct looker *lookers,
		      struct measurement *measurement)
{
	struct handler_pass single = {0}, batch = {0};
	uint64_t wrong = 0;

	for (unsigned int i = 0; i < options->vcpus; i++) {
		handler_add(&single, &lookers[i].single);
		handler_add(&batch, &lookers[i].batch);
		wrong += lookers[i].wrong;
	}
	measurement_phase(measurement, phase_of(options, "single", &single));
	measurement_phase(measurement, phase_of(options, "batch", &batch));
	if (wrong)
		measurement_fail(measurement, "%" PRIu64 " lookups did not find the page's leaf",
				 wrong);
}

static int looker_init(struct looker *looker, const struct looking *looking, unsigned int vcpu)
{
	const struct guest_options *options = &looking->guest->options;
	int err = handler_init(&looker->handler, looking->guest, vcpu);

	if (err)
		return err;
	looker->shared = looking;
	looker->base = guest_vcpu_address(options, vcpu) >> TDP_PAGE_SHIFT;
	looker->step = tdp_level_pages(options->backing);
	looker->gfns = calloc(looking->batch, sizeof(*looker->gfns));
	looker->entries = calloc(looking->batch, sizeof(*looker->entries));
	return looker->gfns && looker->entries ? 0 : -ENOMEM;
}

static void looker_fini(struct looker *looker)
{
	free(looker->entries);
	free(looker->gfns);
	handler_fini(&looker->handler);
}

static int run_lookers(const struct looking *looking, struct looker *lookers)
{
	const struct guest_options *options = &looking->guest->options;
	struct tdp_actor_config *actors = calloc(options->vcpus, sizeof(*actors));
	int err = actors ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < options->vcpus; i++) {
		err = looker_init(&lookers[i], looking, i);
		actors[i] = cast_actor(options, i, "vcpu", looker_body, &lookers[i]);
	}
	if (!err)
		err = cast_run(actors, options->vcpus);
	if (err)
		complain("cannot look up the memory of the guest: %s", strerror(-err));
	for (unsigned int i = 0; i < options->vcpus; i++)
		looker_fini(&lookers[i]);
	free(actors);
	return err;
}

static struct looker *lookers_alloc(unsigned int count)
{
	struct looker *lookers = aligned_alloc(_Alignof(struct looker), count * sizeof(*lookers));

	if (lookers)
		memset(lookers, 0, count * sizeof(*lookers));
	return lookers;
}

static int look_up(struct looking *looking, struct measurement *measurement)
{
	const struct guest_options *options = &looking->guest->options;
	struct looker *lookers = lookers_alloc(options->vcpus);
	int err = lookers ? tdp_barrier_create(options->vcpus, &looking->start) : -ENOMEM;

	if (!err)
		err = run_lookers(looking, lookers);
	if (!err)
		phases_of(options, lookers, measurement);
	tdp_barrier_destroy(looking->start);
	free(lookers);
	return err;
}

static int measure_guest(struct guest *guest, const struct driver_tools *tools,
			 struct measurement *measurement, void *context)
{
	const struct lookup_options *options = context;
	const struct tdp_flag *stop = tools->stop;
	struct looking looking = {.guest = guest, .batch = options->batch, .stop = stop};
	struct handler_pass populated = {0};
	int err = handler_populate(guest, stop, &populated);

	if (!err)
		err = look_up(&looking, measurement);
	if (err)
		return err;
	measurement_take(measurement, guest);
	measurement_phase(measurement,
			  (struct phase){.name = "populate",
					 .counted = measurement->stats,
					 .seconds = (double)populated.cpu_ns / 1e9,
					 .accesses = populated.pages,
					 .faults = populated.faults,
					 .bytes = guest_distinct_pages(&guest->options) *
						  tdp_level_bytes(guest->options.backing)});
	measurement_verify(measurement);
	measurement->interrupted = tdp_flag_raised(stop);
	return 0;
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	return driver_with_guest(options, tools, measurement, measure_guest, options);
}

int main(int argc, char **argv)
{
	const struct lookup_options defaults = {.guest = GUEST_DEFAULTS, .batch = 256};
	const struct driver driver = {
		.name = "lookup",
		.doc = "Measures lookups of pages in the tables through the library, one by one "
		       "and "
		       "many at a time.",
		.parameters = &lookup_parameters,
		.has_iterations = true,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.has_limits = true,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
