/*
 * dirtylog: the workload of live migration, as in dirty_log_perf_test. The vCPUs populate their
 * memory, and logging is switched on. In each round the vCPUs access their memory and write some of
 * its pages, and then the log is read and cleared. At last logging is switched off. model.h says
 * what is verified.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/crew.h"
#include "common/machine.h"
#include "common/selftest.h"
#include "common/size.h"
#include "dirtylog/draw.h"
#include "dirtylog/log.h"
#include "dirtylog/model.h"

#define STOP_CHECK_EVERY 64 /* pages between two checks of the flag that ends the run */

static const struct word log_words[] = {{"bitmap", LOG_BITMAP}, {"ring", LOG_RING}, {0}};

#define AT(field) .offset = offsetof(struct dirtylog, field)

static const struct parameter dirtylog_table[] = {
	{"iterations", 'i', "N", "rounds of dirtying, reading and clearing (2)", &parameter_count,
	 AT(iterations), .least = 1, .most = 10000},
	{"no-manual-protect", 'g', NULL, "reading the log protects pages again: there is no clear",
	 &parameter_flag, AT(no_manual_protect)},
	{"random-access", 'a', NULL, "draw each page at random, drawn before or not",
	 &parameter_flag, AT(random_access)},
	{"run-while-disabling", 'e', NULL, "the vCPUs run while logging is switched off",
	 &parameter_flag, AT(run_while_disabling)},
	{"log", 0, "KIND", "bitmap, or ring: a ring of each vCPU (bitmap)", &parameter_choice,
	 AT(log), .words = log_words, .in_title = true},
	{"ring-entries", 0, "N", "entries of each ring, a power of two (65536)", &parameter_count,
	 AT(ring_entries), .least = 512, .most = 65536},
	{"repeat", 0, "N", "repetitions with a new guest each; the median is reported (1)",
	 &parameter_count, AT(guest.iterations), .least = 1, .most = 10000},
};

static const struct parameters dirtylog_parameters = {
	"Logging:", dirtylog_table, sizeof(dirtylog_table) / sizeof(dirtylog_table[0])};

/* A run. The director writes it, except for the vCPUs' own data in `log`. */
struct logging {
	const struct dirtylog *options;
	struct log log;
	struct model model;
	struct measurement *measurement;
	unsigned int iteration; /* written while the vCPUs wait */
};

/* What the vCPUs do */

static int access_drawn(struct crew_vcpu *vcpu, struct logging *logging, const struct draw *draw)
{
	uint64_t base = guest_vcpu_address(&logging->options->guest, vcpu->id);
	int err = 0;

	for (uint64_t i = 0; !err && i < draw->pages; i++) {
		uint64_t address = base + (draw_page(draw, i) << TDP_PAGE_SHIFT);

		if (i % STOP_CHECK_EVERY == 0 && crew_stopped(vcpu->crew))
			return 0;
		err = crew_touch(vcpu, logging, address,
				 draw_writes(draw, i) ? TDP_WRITE : TDP_READ);
	}
	return err;
}

static int dirty_once(struct crew_vcpu *vcpu, void *context)
{
	struct logging *logging = context;
	const struct draw draw = draw_of(logging->options, vcpu->id, logging->iteration);

	return access_drawn(vcpu, logging, &draw);
}

/*
 * Passes until one has begun after logging was off. The last one accesses every page, also
 * with --random-access: so each region that recovery has changed faults in this phase.
 */
static int dirty_while_disabling(struct crew_vcpu *vcpu, void *context)
{
	struct logging *logging = context;
	struct draw draw = draw_of(logging->options, vcpu->id, logging->iteration);
	bool off = false;
	int err = 0;

	while (!err && !off && !crew_stopped(vcpu->crew)) {
		off = crew_task_done(vcpu->crew);
		if (off)
			draw.again = false;
		err = access_drawn(vcpu, logging, &draw);
	}
	return err;
}

static int make_room(struct crew_vcpu *vcpu, void *context)
{
	struct logging *logging = context;

	return log_make_room(&logging->log, vcpu->id);
}

/* The tasks of the director */

static int enable(struct crew *crew, void *context)
{
	(void)crew;
	return log_enable(&((struct logging *)context)->log);
}

static int disable(struct crew *crew, void *context)
{
	(void)crew;
	return log_disable(&((struct logging *)context)->log);
}

static int get(struct crew *crew, void *context)
{
	(void)crew;
	return log_get(&((struct logging *)context)->log);
}

static int clear(struct crew *crew, void *context)
{
	(void)crew;
	return log_clear(&((struct logging *)context)->log);
}

/* Compares the log with the model: numbers for the phases, and failed checks. */

static void judge_fixed(struct logging *logging, struct phase *dirty, const struct verdict *verdict)
{
	uint64_t fixed = dirty->counted.pf_fixed;

	phase_extra(dirty, "pages_written", verdict->written);
	phase_extra(dirty, "pf_fixed_least", verdict->fixed_least);
	phase_extra(dirty, "pf_fixed_most", verdict->fixed_most);
	if (fixed < verdict->fixed_least || fixed > verdict->fixed_most)
		measurement_fail(
			logging->measurement,
			"pf_fixed of iteration %u is %" PRIu64 ", not %" PRIu64 " to %" PRIu64,
			logging->iteration, fixed, verdict->fixed_least, verdict->fixed_most);
}

static void judge_reported(struct logging *logging, struct phase *get,
			   const struct verdict *verdict)
{
	phase_extra(get, "pages_reported", verdict->reported);
	phase_extra(get, "pages_lost", verdict->lost);
	if (verdict->lost > verdict->lost_most)
		measurement_fail(logging->measurement,
				 "%" PRIu64 " of %" PRIu64
				 " pages written in iteration %u are not in the log",
				 verdict->lost, verdict->written, logging->iteration);
	if (verdict->surplus)
		measurement_fail(logging->measurement,
				 "%" PRIu64 " pages in the log of iteration %u were not dirtied",
				 verdict->surplus, logging->iteration);
}

static void judge(struct logging *logging, size_t dirty, size_t get)
{
	struct phase *phases = logging->measurement->phases;
	uint64_t rings_full = log_rings_full(&logging->log);
	struct verdict verdict;

	if (logging->options->log == LOG_RING)
		phase_extra(&phases[dirty], "rings_full", rings_full);
	model_dirty(&logging->model, logging->iteration);
	log_reported(&logging->log, model_report(&logging->model));
	verdict = model_judge(&logging->model, rings_full);
	judge_fixed(logging, &phases[dirty], &verdict);
	judge_reported(logging, &phases[get], &verdict);
}

/* The director */

static int play(struct crew *crew, struct logging *logging, const char *name, crew_part *part,
		crew_task *task)
{
	struct crew_phase phase = {
		.name = name,
		.number = logging->iteration,
		.part = part,
		.task = task,
		.context = logging,
	};

	return crew_play(crew, &phase, NULL);
}

/* Whether pages are protected again by a clear, not by the read of the log. */
static bool clears(const struct dirtylog *options)
{
	return options->log == LOG_RING || !options->no_manual_protect;
}

static int iterate(struct crew *crew, struct logging *logging)
{
	size_t dirty = logging->measurement->phase_count;
	int err = play(crew, logging, "dirty", dirty_once, NULL);

	if (err || crew_stopped(crew))
		return err;
	err = play(crew, logging, "get", NULL, get);
	if (err)
		return err;
	judge(logging, dirty, dirty + 1);
	if (clears(logging->options))
		err = play(crew, logging, "clear", NULL, clear);
	model_clear(&logging->model);
	return err;
}

/* With -e the vCPUs make the accesses of one more iteration, whose log is not read. */
static int end_logging(struct crew *crew, struct logging *logging)
{
	struct crew_phase phase = {
		.name = "disable",
		.part = logging->options->run_while_disabling ? dirty_while_disabling : NULL,
		.task = disable,
		.context = logging,
	};

	return crew_play(crew, &phase, NULL);
}

static int direct(struct crew *crew, void *context)
{
	struct logging *logging = context;
	int err;

	log_begin(&logging->log, crew_guest(crew));
	err = play(crew, logging, "populate", dirty_once, NULL);
	if (err || crew_stopped(crew))
		return err;
	err = play(crew, logging, "enable", NULL, enable);
	if (err)
		return err;
	model_enable(&logging->model, &crew_guest(crew)->options.policy);
	while (!err && !crew_stopped(crew) && logging->iteration < logging->options->iterations) {
		logging->iteration++;
		err = iterate(crew, logging);
	}
	logging->iteration++;
	return err || crew_stopped(crew) ? err : end_logging(crew, logging);
}

static int measure(void *context, struct driver_tools *tools, struct measurement *measurement)
{
	struct dirtylog *options = context;
	struct logging logging = {.options = options, .measurement = measurement};
	const struct crew_config config = {
		.direct = direct, .context = &logging, .ring_full = make_room};
	int err;

	log_init(&logging.log, options);
	model_init(&logging.model, options);
	err = crew_measure(&options->guest, tools, measurement, &config);
	model_fini(&logging.model);
	log_fini(&logging.log);
	return err;
}

/* Options */

/*
 * The least memory for a logged page: its entry, if all is mapped by 4K, and its part of the model.
 * Refuse a guest for which the machine has too little memory.
 */
#define BYTES_OF_A_PAGE 10

static bool fits(const struct dirtylog *options, char *why, size_t size)
{
	uint64_t needed = dirtylog_guest_pages(options) * BYTES_OF_A_PAGE;
	uint64_t there = machine_memory_bytes();
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	if (!there || needed <= there)
		return true;
	snprintf(why, size, "logging %s of guest memory takes %s, but this machine has %s",
		 size_exact(options->guest.guest_memory, a), size_about(needed, b),
		 size_about(there, c));
	return false;
}

static bool settle(void *context, char *why, size_t size)
{
	struct dirtylog *options = context;
	bool ring = options->log == LOG_RING;

	if (options->random_access && options->guest.order == GUEST_RANDOM) {
		snprintf(why, size, "--random-access and --order random exclude each other");
		return false;
	}
	if (ring && options->ring_entries & (options->ring_entries - 1)) {
		snprintf(why, size, "--ring-entries %u is not a power of two",
			 options->ring_entries);
		return false;
	}
	if (ring) /* rings do not report all pages at first, so nothing would protect those */
		options->no_manual_protect = true;
	options->guest.small_steps = true;
	options->guest.dirty_ring = ring ? options->ring_entries : 0;
	options->guest.manual_protect =
		options->no_manual_protect ? TDP_MANUAL_PROTECT_OFF : TDP_MANUAL_PROTECT_ALL_SET;
	return guest_options_settle(&options->guest, why, size) && fits(options, why, size);
}

/* The report of the selftest */

/* The time of all phases of a name, and their number, which Ctrl-C may reduce. */
struct total {
	double seconds;
	unsigned int iterations;
};

/* `format` has %s, after %u if there is a number. */
static void print_line(const struct report_run *run, const char *format, const char *name,
		       unsigned int number, struct total *total)
{
	const struct phase *phase = selftest_phase(run, name, number);
	char time[SELFTEST_TIME];

	if (!phase)
		return;
	if (number)
		printf(format, number, selftest_time(phase->seconds, time));
	else
		printf(format, selftest_time(phase->seconds, time));
	if (!total)
		return;
	total->seconds += phase->seconds;
	total->iterations++;
}

static void print_total(const char *what, const struct total *total)
{
	char all[SELFTEST_TIME], average[SELFTEST_TIME];

	if (total->iterations)
		printf("%s dirty log over %u iterations took %s. (Avg %s/iteration)\n", what,
		       total->iterations, selftest_time(total->seconds, all),
		       selftest_time(total->seconds / total->iterations, average));
}

static void print_selftest(const struct report_run *run)
{
	const struct dirtylog *options = run->options;
	struct total get = {0}, clear = {0};

	selftest_seed(&options->guest);
	printf("Test iterations: %u\n", options->iterations);
	selftest_memory(&options->guest);
	print_line(run, "Populate memory time: %s\n", "populate", 0, NULL);
	print_line(run, "Enabling dirty logging time: %s\n\n", "enable", 0, NULL);
	for (unsigned int i = 1; i <= options->iterations; i++) {
		print_line(run, "Iteration %u dirty memory time: %s\n", "dirty", i, NULL);
		print_line(run, "Iteration %u get dirty log time: %s\n", "get", i, &get);
		print_line(run, "Iteration %u clear dirty log time: %s\n", "clear", i, &clear);
	}
	print_line(run, "Disabling dirty logging time: %s\n", "disable", 0, NULL);
	print_total("Get", &get);
	print_total("Clear", &clear);
}

int main(int argc, char **argv)
{
	const struct dirtylog defaults = {
		.guest = GUEST_DEFAULTS, .iterations = 2, .ring_entries = 65536};
	const struct driver driver = {
		.name = "dirtylog",
		.doc = "Measures dirty logging: vCPUs dirty their memory while it is logged, and "
		       "the "
		       "log is read and cleared.",
		.parameters = &dirtylog_parameters,
		.defaults = &defaults,
		.options_bytes = sizeof(defaults),
		.settle = settle,
		.selftest = print_selftest,
		.measure = measure,
	};

	return driver_main(&driver, argc, argv);
}
