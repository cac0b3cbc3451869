/*
 * teardown: what it takes to unmap a whole guest, in CPU time for each page that was
 * mapped. The guest's memory is faulted in before each of three ways to lose it:
 *
 *   range    the leaves of all its frames are zapped under mmu_lock held exclusively,
 *            the tables stay (kvm_zap_gfn_range)
 *   fast     all roots are invalidated and zapped under the shared lock, as when a
 *            slot is deleted (kvm_mmu_zap_all_fast)
 *   destroy  the VM ends, its tables with it
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/cast.h"
#include "common/driver.h"
#include "common/handler.h"
#include "common/status.h"

static const struct parameter teardown_table[] = {
	LIMITS_PARAMETER,
};

static const struct parameters teardown_parameters = {
	"Limits:", teardown_table, sizeof(teardown_table) / sizeof(teardown_table[0])};

/* One way to unmap everything, and the actor that goes it. */
struct way {
	const char *name;
	void (*go)(struct guest *guest);
	struct guest *guest;
	uint64_t ns, cpu_ns;
	struct tdp_stats counted; /* nothing where the VM ended */
};

static void zap_range(struct guest *guest)
{
	tdp_mmu_zap_range(guest->vm, tdp_gfn(GUEST_BASE >> TDP_PAGE_SHIFT),
			  guest->options.guest_memory >> TDP_PAGE_SHIFT);
}

static void zap_fast(struct guest *guest)
{
	tdp_mmu_zap_all_fast(guest->vm);
}

static void destroy(struct guest *guest)
{
	tdp_vm_destroy(guest->vm);
	guest->vm = NULL;
}

static int way_body(struct tdp_actor *self, void *arg)
{
	struct way *way = arg;
	uint64_t begun = tdp_clock_now(), cpu = tdp_clock_cpu_now();

	(void)self;
	way->go(way->guest);
	way->cpu_ns = tdp_clock_cpu_now() - cpu;
	way->ns = tdp_clock_now() - begun;
	return 0;
}

static int go(struct way *way)
{
	const struct guest_options *options = &way->guest->options;
	struct tdp_actor_config actor = cast_actor(options, 0, way->name, way_body, way);
	int err = cast_run(&actor, 1);

	if (err)
		complain("cannot run an actor: %s", strerror(-err));
	return err;
}

static struct phase phase_of(const struct way *way)
{
	const struct guest_options *options = &way->guest->options;
	uint64_t pages = guest_distinct_pages(options);

	return (struct phase){
		.name = way->name,
		.seconds = (double)way->ns / 1e9,
		.accesses = pages,
		.bytes = pages * tdp_level_bytes(options->backing),
		.counted = way->counted,
		.per = "page",
		.cpu_ns = (double)way->cpu_ns / (double)pages,
		.limit = "seq_exchange",
	};
}

/* Last, so that the teardowns come first in the report: how it was all mapped. */
static struct phase populate_phase(const struct guest_options *options,
				   const struct handler_pass *pass, unsigned int rounds,
				   const struct tdp_stats *counted)
{
	return (struct phase){
		.name = "populate",
		.counted = *counted,
		.seconds = (double)pass->cpu_ns / 1e9,
		.accesses = pass->pages,
		.faults = pass->faults,
		.bytes = rounds * guest_distinct_pages(options) * tdp_level_bytes(options->backing),
		.per = "fault",
		.cpu_ns = pass->faults ? (double)pass->cpu_ns / (double)pass->faults : 0,
		.limit = options->order == GUEST_RANDOM ? "realistic_random" : "realistic_seq",
	};
}

/* Is so much mapped as a teardown is to leave, or to find? */
static void verify_mapped(struct measurement *measurement, const struct guest *guest,
			  const char *when, uint64_t pages)
{
	struct tdp_stats stats;
	int64_t mapped;

	tdp_vm_stats(guest->vm, &stats);
	mapped = stats.pages_4k + stats.pages_2m + stats.pages_1g;
	if (mapped != (int64_t)pages)
		measurement_fail(measurement,
				 "%" PRId64 " pages are mapped %s, instead of %" PRIu64, mapped,
				 when, pages);
}

/* Faults everything in and loses it by one way. */
static int map_and_lose(struct way *way, const struct tdp_flag *stop, struct handler_pass *total,
			struct measurement *measurement)
{
	struct guest *guest = way->guest;
	bool last = way->go == destroy;
	struct tdp_stats before, after;
	int err = handler_populate(guest, stop, total);

	if (err)
		return err;
	if (tdp_flag_raised(stop)) {
		measurement->interrupted = true;
		return 0;
	}
	verify_mapped(measurement, guest, "at first", guest_distinct_pages(&guest->options));
	if (last) /* nothing can be asked afterwards */
		measurement_take(measurement, guest);
	tdp_vm_stats(guest->vm, &before);
	err = go(way);
	if (!err && !last) {
		tdp_vm_stats(guest->vm, &after);
		way->counted = stats_between(&before, &after);
		verify_mapped(measurement, guest, "afterwards", 0);
	}
	if (!err)
		measurement_phase(measurement, phase_of(way));
	return err;
}

static int measure_ways(struct guest *guest, const struct driver_tools *tools,
			struct measurement *measurement, void *context)
{
	struct way ways[] = {
		{.name = "range", .go = zap_range, .guest = guest},
		{.name = "fast", .go = zap_fast, .guest = guest},
		{.name = "destroy", .go = destroy, .guest = guest},
	};
	struct handler_pass total = {0};
	unsigned int rounds = 0;

	(void)context;
	while (rounds < sizeof(ways) / sizeof(ways[0]) && !measurement->interrupted) {
		int err = map_and_lose(&ways[rounds++], tools->stop, &total, measurement);

		if (err)
			return err;
	}
	if (guest->vm) /* interrupted */
		measurement_take(measurement, guest);
	measurement_phase(measurement,
			  populate_phase(&guest->options, &total, rounds, &measurement->stats));
	measurement_verify(measurement);
	return 0;
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	return driver_with_guest(options, tools, measurement, measure_ways, NULL);
}

int main(int argc, char **argv)
{
	const struct guest_options defaults = GUEST_DEFAULTS;
	const struct driver driver = {
		.name = "teardown",
		.doc = "Measures what it takes to unmap a guest: by range under the exclusive "
		       "lock, all at once under the shared one, and with the VM.",
		.parameters = &teardown_parameters,
		.has_iterations = true,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.has_limits = true,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
