/*
 * teardown: measures how a whole guest is unmapped, in CPU time for each mapped page. Before each
 * of the three teardowns the memory of the guest is faulted in:
 *
 *   range    zaps all leaves under mmu_lock held exclusively; the tables stay (kvm_zap_gfn_range)
 *   fast     invalidates all roots and zaps them under the shared lock, as the deletion of a slot
 * does (kvm_mmu_zap_all_fast) destroy  ends the VM and its tables
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

/* One kind of teardown, and its times. */
struct teardown {
	const char *name;
	void (*go)(struct guest *guest);
	struct guest *guest;
	uint64_t ns, cpu_ns;
	struct tdp_stats counted; /* zero if the VM has ended */
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

static int teardown_body(struct tdp_actor *self, void *arg)
{
	struct teardown *teardown = arg;
	uint64_t begun = tdp_clock_now(), cpu = tdp_clock_cpu_now();

	(void)self;
	teardown->go(teardown->guest);
	teardown->cpu_ns = tdp_clock_cpu_now() - cpu;
	teardown->ns = tdp_clock_now() - begun;
	return 0;
}

static int go(struct teardown *teardown)
{
	const struct guest_options *options = &teardown->guest->options;
	struct tdp_actor_config actor =
		cast_actor(options, 0, teardown->name, teardown_body, teardown);
	int err = cast_run(&actor, 1);

	if (err)
		complain("cannot run an actor: %s", strerror(-err));
	return err;
}

static struct phase phase_of(const struct teardown *teardown)
{
	const struct guest_options *options = &teardown->guest->options;
	uint64_t pages = guest_distinct_pages(options);

	return (struct phase){
		.name = teardown->name,
		.seconds = (double)teardown->ns / 1e9,
		.accesses = pages,
		.bytes = pages * tdp_level_bytes(options->backing),
		.counted = teardown->counted,
		.per = "page",
		.cpu_ns = (double)teardown->cpu_ns / (double)pages,
		.limit = "seq_exchange",
	};
}

/* How the memory was mapped. Last, so that the report begins with the teardowns. */
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

/* Verifies how many pages are mapped before or after a teardown. */
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

/* Faults all pages in and makes one teardown. */
static int map_and_unmap(struct teardown *teardown, const struct tdp_flag *stop,
			 struct handler_pass *total, struct measurement *measurement)
{
	struct guest *guest = teardown->guest;
	bool last = teardown->go == destroy;
	struct tdp_stats before, after;
	int err = handler_populate(guest, stop, total);

	if (err)
		return err;
	if (tdp_flag_raised(stop)) {
		measurement->interrupted = true;
		return 0;
	}
	verify_mapped(measurement, guest, "before", guest_distinct_pages(&guest->options));
	if (last) /* afterwards there is no VM */
		measurement_take(measurement, guest);
	tdp_vm_stats(guest->vm, &before);
	err = go(teardown);
	if (!err && !last) {
		tdp_vm_stats(guest->vm, &after);
		teardown->counted = stats_between(&before, &after);
		verify_mapped(measurement, guest, "after", 0);
	}
	if (!err)
		measurement_phase(measurement, phase_of(teardown));
	return err;
}

static int measure_teardowns(struct guest *guest, const struct driver_tools *tools,
			     struct measurement *measurement, void *context)
{
	struct teardown teardowns[] = {
		{.name = "range", .go = zap_range, .guest = guest},
		{.name = "fast", .go = zap_fast, .guest = guest},
		{.name = "destroy", .go = destroy, .guest = guest},
	};
	struct handler_pass total = {0};
	unsigned int rounds = 0;

	(void)context;
	while (rounds < sizeof(teardowns) / sizeof(teardowns[0]) && !measurement->interrupted) {
		int err = map_and_unmap(&teardowns[rounds++], tools->stop, &total, measurement);

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
	return driver_with_guest(options, tools, measurement, measure_teardowns, NULL);
}

int main(int argc, char **argv)
{
	const struct guest_options defaults = GUEST_DEFAULTS;
	const struct driver driver = {
		.name = "teardown",
		.doc = "Measures how a guest is unmapped: by range under the exclusive lock, all "
		       "at "
		       "once under the shared lock, and with the end of the VM.",
		.parameters = &teardown_parameters,
		.has_iterations = true,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.has_limits = true,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
