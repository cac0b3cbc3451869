/*
 * bulk: what a pass over all entries of a guest takes, in CPU time for each page of
 * 4K. Each pass is made several times, the median is reported.
 *
 * In a VM that huge pages back, and whose log begins with every page marked, so that
 * clearing it splits (KVM_DIRTY_LOG_INITIALLY_SET):
 *
 *   split    one page of each 2M region is cleared: its huge leaf is split for it
 *   clear    all others are cleared, 64 at a time
 *   recover  logging ends: each table becomes a huge leaf again
 *
 * In a VM that 4K pages back:
 *
 *   protect  logging begins
 *   fast     each vCPU's handler gives its pages the right to write back, one by one,
 *            without mmu_lock; not where D flags tell of writes
 *   get      the log is read and what is in it protected again
 *   age      pages grow old
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cast.h"
#include "common/driver.h"
#include "common/handler.h"
#include "common/status.h"

#define PASSES_MOST   100
#define WORD_PAGES    64
#define LOOK_UP_EVERY 64 /* pages between two looks at the flag that ends the run */

struct bulk {
	struct guest_options guest; /* first, as driver.h wants it */
	unsigned int passes;
};

static const struct parameter bulk_table[] = {
	{"passes", 'i', "N", "passes of each kind; their median is reported (5)", &parameter_count,
	 .offset = offsetof(struct bulk, passes), .least = 1, .most = PASSES_MOST},
	LIMITS_PARAMETER,
};

static const struct parameters bulk_parameters = {"Passes:", bulk_table,
						  sizeof(bulk_table) / sizeof(bulk_table[0])};

/* All passes of one kind. */
struct kind {
	const char *name, *per, *limit;
	double cpu_ns[PASSES_MOST]; /* for each entry */
	unsigned int count;
	uint64_t entries, faults;
	double seconds;
	struct tdp_stats counted;
};

enum { SPLIT, CLEAR, RECOVER, PROTECT, FAST, GET, AGE, KINDS };

static const struct kind kinds[KINDS] = {
	[SPLIT] = {.name = "split", .per = "page", .limit = "seq_plain_store"},
	[CLEAR] = {.name = "clear", .per = "page", .limit = "seq_exchange"},
	[RECOVER] = {.name = "recover", .per = "page", .limit = "seq_exchange"},
	[PROTECT] = {.name = "protect", .per = "page", .limit = "seq_exchange"},
	[FAST] = {.name = "fast", .per = "fault", .limit = "realistic_seq"},
	[GET] = {.name = "get", .per = "page", .limit = "seq_exchange"},
	[AGE] = {.name = "age", .per = "page", .limit = "seq_exchange"},
};

/* A run, and the VM that it is at. */
struct run {
	const struct bulk *options;
	const struct tdp_flag *stop;
	struct measurement *measurement;
	struct kind kinds[KINDS];
	struct guest *guest;
	uint64_t entries;  /* 4K pages that the vCPUs have */
	uint64_t *regions; /* a bitmap for a slot: the first page of each 2M; and ... */
	uint64_t *all;	   /* ... all pages */
	uint64_t *log;	   /* one that is read */
	uint64_t populate_faults, touch_faults, touched;
	double populate_seconds, touch_seconds;
};

static uint64_t pages_of_vcpus(const struct guest_options *options)
{
	return options->vcpus * options->bytes >> TDP_PAGE_SHIFT;
}

/* The passes, for one actor. 0 or a negative errno. */

typedef int pass_body(struct run *run);

static int set_logging(struct run *run, bool on)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < run->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(run->guest, i);

		slot.log_dirty = on;
		err = tdp_vm_set_memslot(run->guest->vm, &slot);
	}
	return err;
}

static int begin_logging(struct run *run)
{
	return set_logging(run, true);
}

static int end_logging(struct run *run)
{
	return set_logging(run, false);
}

static int clear_in_all(struct run *run, const uint64_t *bitmap)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < run->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(run->guest, i);

		err = tdp_vm_clear_dirty_log(run->guest->vm, 0, slot.id, 0, slot.pages, bitmap);
	}
	return err;
}

static int clear_regions(struct run *run)
{
	return clear_in_all(run, run->regions);
}

static int clear_all(struct run *run)
{
	return clear_in_all(run, run->all);
}

static int get(struct run *run)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < run->guest->options.slots; i++) {
		struct tdp_memslot slot = guest_slot(run->guest, i);

		err = tdp_vm_get_dirty_log(run->guest->vm, 0, slot.id, run->log,
					   tdp_dirty_log_words(slot.pages));
	}
	return err;
}

static int age(struct run *run)
{
	const struct tdp_backing *backing = tdp_anon_backing(run->guest->memory);

	tdp_host_age(run->guest->host, backing->hva, backing->hva + backing->bytes);
	return 0;
}

/* Actors */

struct timed {
	struct run *run;
	pass_body *body;
	uint64_t ns, cpu_ns;
};

static int timed_body(struct tdp_actor *self, void *arg)
{
	struct timed *timed = arg;
	uint64_t begun = tdp_clock_now(), cpu = tdp_clock_cpu_now();
	int err = timed->body(timed->run);

	(void)self;
	timed->cpu_ns = tdp_clock_cpu_now() - cpu;
	timed->ns = tdp_clock_now() - begun;
	return err;
}

static int run_timed(struct timed *timed)
{
	const struct guest_options *options = &timed->run->guest->options;
	struct tdp_actor_config actor = {
		.name = "pass",
		.body = timed_body,
		.arg = timed,
		.pinned = options->pin != NULL,
		.cpu = options->pin ? cpu_list_at(options->pin, 0) : 0,
	};

	return cast_run(&actor, 1);
}

static void add_sample(struct run *run, struct kind *kind, uint64_t ns, uint64_t cpu_ns,
		       const struct tdp_stats *before)
{
	struct tdp_stats after, counted;

	tdp_vm_stats(run->guest->vm, &after);
	counted = stats_between(before, &after);
	stats_add(&kind->counted, &counted);
	kind->cpu_ns[kind->count++] = (double)cpu_ns / (double)run->entries;
	kind->entries += run->entries;
	kind->seconds += (double)ns / 1e9;
}

/* A pass; where it is to be timed, as one of `kind`. */
static int make_pass(struct run *run, pass_body *body, struct kind *kind)
{
	struct timed timed = {.run = run, .body = body};
	struct tdp_stats before;
	int err;

	tdp_vm_stats(run->guest->vm, &before);
	err = run_timed(&timed);
	if (!err && kind)
		add_sample(run, kind, timed.ns, timed.cpu_ns, &before);
	return err;
}

/* Each page gets its right to write back by a fault that takes no lock. */
static int make_fast_pass(struct run *run)
{
	struct kind *kind = &run->kinds[FAST];
	struct handler_pass pass = {0};
	struct tdp_stats before;
	int err;

	tdp_vm_stats(run->guest->vm, &before);
	err = handler_unprotect(run->guest, run->stop, &pass);
	kind->faults += pass.faults;
	if (!err && pass.pages == run->entries)
		add_sample(run, kind, pass.finished - pass.ready, pass.cpu_ns, &before);
	return err;
}

struct toucher {
	struct run *run;
	unsigned int vcpu;
	uint64_t faults;
};

/* The CPU writes each page: it is young again, and dirty. */
static int touch_body(struct tdp_actor *self, void *arg)
{
	struct toucher *toucher = arg;
	struct run *run = toucher->run;
	const struct guest_options *options = &run->guest->options;
	uint64_t base = guest_vcpu_address(options, toucher->vcpu);

	(void)self;
	for (uint64_t page = 0; page < options->bytes >> TDP_PAGE_SHIFT; page++) {
		struct tdp_access_request request = {.address = base + (page << TDP_PAGE_SHIFT),
						     .access = TDP_WRITE};
		struct tdp_access_result result;
		int err;

		if (page % LOOK_UP_EVERY == 0 && tdp_flag_raised(run->stop))
			return 0;
		err = tdp_vcpu_access(run->guest->vcpus[toucher->vcpu], &request, &result);
		if (!err && result.outcome != TDP_ACCESS_DONE)
			err = -EFAULT;
		if (err)
			return err;
		toucher->faults += result.faults;
	}
	return 0;
}

static int touch_by(struct run *run, struct toucher *touchers, struct tdp_actor_config *actors)
{
	const struct guest_options *options = &run->guest->options;

	for (unsigned int i = 0; i < options->vcpus; i++) {
		touchers[i] = (struct toucher){.run = run, .vcpu = i};
		actors[i] = (struct tdp_actor_config){
			.name = "vcpu",
			.body = touch_body,
			.arg = &touchers[i],
			.pinned = options->pin != NULL,
			.cpu = options->pin ? cpu_list_at(options->pin, i) : 0,
		};
	}
	return cast_run(actors, options->vcpus);
}

static int touch_all(struct run *run)
{
	unsigned int vcpus = run->guest->options.vcpus;
	struct toucher *touchers = calloc(vcpus, sizeof(*touchers));
	struct tdp_actor_config *actors = calloc(vcpus, sizeof(*actors));
	uint64_t begun = tdp_clock_now();
	int err = touchers && actors ? touch_by(run, touchers, actors) : -ENOMEM;

	for (unsigned int i = 0; touchers && i < vcpus; i++)
		run->touch_faults += touchers[i].faults;
	run->touched += run->entries;
	run->touch_seconds += (double)(tdp_clock_now() - begun) / 1e9;
	free(actors);
	free(touchers);
	return err;
}

/* Did the passes do what they are said to? */

static void verify_leaves(struct run *run, const char *after, uint64_t small)
{
	struct tdp_stats stats;

	tdp_vm_stats(run->guest->vm, &stats);
	if (stats.pages_4k != (int64_t)small)
		measurement_fail(run->measurement,
				 "%" PRId64 " pages of 4K are mapped after %s, instead of %" PRIu64,
				 stats.pages_4k, after, small);
}

static void verify_fast(struct run *run, const struct tdp_stats *before)
{
	struct tdp_stats after;

	tdp_vm_stats(run->guest->vm, &after);
	if (after.pf_fast - before->pf_fast != run->entries)
		measurement_fail(run->measurement,
				 "%" PRIu64 " pages got their right to write back by fast faults, "
				 "instead of %" PRIu64,
				 after.pf_fast - before->pf_fast, run->entries);
}

/* Of the last slot, for there is one array only. */
static void verify_log(struct run *run)
{
	const struct guest_options *options = &run->guest->options;
	struct tdp_memslot slot = guest_slot(run->guest, options->slots - 1);
	uint64_t marked = 0;

	if (run->entries << TDP_PAGE_SHIFT != options->guest_memory)
		return; /* some pages are nobody's */
	for (size_t i = 0; i < tdp_dirty_log_words(slot.pages); i++)
		marked += (uint64_t)__builtin_popcountll(run->log[i]);
	if (marked != slot.pages)
		measurement_fail(run->measurement,
				 "the log has %" PRIu64 " pages, %" PRIu64 " were written", marked,
				 slot.pages);
}

static bool stopped(struct run *run)
{
	run->measurement->interrupted |= tdp_flag_raised(run->stop);
	return run->measurement->interrupted;
}

static int populate(struct run *run)
{
	struct handler_pass pass = {0};
	int err = handler_populate(run->guest, run->stop, &pass);

	run->populate_faults = pass.faults;
	run->populate_seconds = (double)(pass.finished - pass.ready) / 1e9;
	return err;
}

/* Rounds of the two VMs. The first round of the huge one is not timed: its tables are new. */

static int split_and_recover(struct run *run, bool timed)
{
	int err = populate(run); /* a recovery may have zapped all */

	if (!err)
		err = make_pass(run, begin_logging, NULL);
	if (!err)
		err = make_pass(run, clear_regions, timed ? &run->kinds[SPLIT] : NULL);
	if (err)
		return err;
	verify_leaves(run, "a split", run->entries);
	err = make_pass(run, clear_all, timed ? &run->kinds[CLEAR] : NULL);
	if (!err)
		err = make_pass(run, end_logging, timed ? &run->kinds[RECOVER] : NULL);
	if (!err)
		verify_leaves(run, "a recovery", 0);
	return err;
}

static int protect_and_age(struct run *run)
{
	bool dirty_flags = run->guest->options.policy.dirty_track == TDP_DIRTY_TRACK_DBIT;
	struct tdp_stats before;
	int err = make_pass(run, begin_logging, &run->kinds[PROTECT]);

	tdp_vm_stats(run->guest->vm, &before);
	if (!err)
		err = dirty_flags ? touch_all(run) : make_fast_pass(run);
	if (err || stopped(run))
		return err;
	if (!dirty_flags)
		verify_fast(run, &before);
	err = make_pass(run, get, &run->kinds[GET]);
	if (err)
		return err;
	verify_log(run);
	err = touch_all(run);
	if (err || stopped(run))
		return err;
	err = make_pass(run, age, &run->kinds[AGE]);
	return err ? err : make_pass(run, end_logging, NULL);
}

static int go_through_huge(struct run *run)
{
	int err = 0;

	for (unsigned int i = 0; !err && i <= run->options->passes && !stopped(run); i++)
		err = split_and_recover(run, i > 0);
	measurement_check(run->measurement, run->guest);
	return err;
}

static int go_through_small(struct run *run)
{
	int err = populate(run);

	for (unsigned int i = 0; !err && i < run->options->passes && !stopped(run); i++)
		err = protect_and_age(run);
	measurement_take(run->measurement, run->guest);
	return err;
}

/* Slots are of whole regions, and none is larger than the guest. */
static int make_bitmaps(struct run *run)
{
	size_t words = run->options->guest.guest_memory >> TDP_PAGE_SHIFT;

	words = words / WORD_PAGES + 1;
	run->regions = calloc(words, sizeof(uint64_t));
	run->all = malloc(words * sizeof(uint64_t));
	run->log = calloc(words, sizeof(uint64_t));
	if (!run->regions || !run->all || !run->log)
		return -ENOMEM;
	memset(run->all, 0xff, words * sizeof(uint64_t));
	for (size_t i = 0; i < words; i += tdp_level_pages(TDP_2M) / WORD_PAGES)
		run->regions[i] = 1;
	return 0;
}

static int in_a_vm(struct run *run, const struct guest_options *options, struct driver_tools *tools,
		   pass_body *go, struct tdp_policy *used)
{
	struct guest guest;
	int err = guest_init(&guest, options, tools->trace, tools->trace_context);

	if (err)
		return err;
	run->guest = &guest;
	run->entries = pages_of_vcpus(options);
	err = go(run);
	if (err)
		complain("a pass failed: %s", strerror(-err));
	*used = guest.options.policy;
	guest_fini(&guest);
	return err;
}

static int go_through_both(struct run *run, struct driver_tools *tools, struct tdp_policy *used)
{
	struct guest_options huge = run->options->guest, small = huge;
	int err = make_bitmaps(run);

	huge.manual_protect = TDP_MANUAL_PROTECT_ALL_SET;
	small.backing = TDP_4K;
	if (!err)
		err = in_a_vm(run, &huge, tools, go_through_huge, used);
	if (!err && !stopped(run))
		err = in_a_vm(run, &small, tools, go_through_small, used);
	return err;
}

/* What it came to */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct phase phase_of(struct kind *kind)
{
	qsort(kind->cpu_ns, kind->count, sizeof(kind->cpu_ns[0]), by_size);
	return (struct phase){
		.name = kind->name,
		.seconds = kind->seconds,
		.accesses = kind->entries,
		.faults = kind->faults,
		.bytes = kind->entries << TDP_PAGE_SHIFT,
		.counted = kind->counted,
		.per = kind->per,
		.cpu_ns = kind->cpu_ns[(kind->count - 1) / 2],
		.limit = kind->limit,
	};
}

static void phases_of(struct run *run)
{
	for (size_t i = 0; i < KINDS; i++)
		if (run->kinds[i].count)
			measurement_phase(run->measurement, phase_of(&run->kinds[i]));
	/* What else the second VM was made to do. */
	measurement_phase(run->measurement, (struct phase){.name = "populate",
							   .seconds = run->populate_seconds,
							   .accesses = run->entries,
							   .faults = run->populate_faults});
	measurement_phase(run->measurement, (struct phase){.name = "write",
							   .seconds = run->touch_seconds,
							   .accesses = run->touched,
							   .faults = run->touch_faults});
}

static int measure(void *options, struct driver_tools *tools, struct measurement *measurement)
{
	struct bulk *bulk = options;
	struct run run = {.options = bulk, .stop = tools->stop, .measurement = measurement};
	int err;

	memcpy(run.kinds, kinds, sizeof(kinds));
	err = go_through_both(&run, tools, &bulk->guest.policy);
	if (!err)
		phases_of(&run);
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
		snprintf(why, size, "--backing 4k: there is nothing to split, it takes 2m or 1g");
		return false;
	}
	if (guest->policy.eager_split == TDP_OFF) {
		snprintf(why, size,
			 "--eager-split off: without splits there is nothing to measure");
		return false;
	}
	if (guest->overlap) {
		snprintf(why, size, "--overlap: each page is one vCPU's here");
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
