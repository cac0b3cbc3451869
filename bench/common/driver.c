/*
 * The iterations of the runs that --vary compares take turns, so that a drift of the
 * machine affects all of them alike. The report of a run is one of its iterations, the
 * median with all its counters, so that its numbers belong together.
 */
#include "common/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "common/status.h"
#include "common/trace_file.h"
#include "common/twin.h"

/* A run and the iterations that it has made so far. */
struct run {
	void *options;
	unsigned int iterations; /* requested */
	unsigned int count;	 /* made */
	struct measurement *measurements;
};

struct session {
	const struct driver *driver;
	struct cli cli;
	struct run *runs; /* cli.runs of them */
	struct driver_tools tools;
	struct trace_file trace;
	bool limited; /* `limits` are measured */
	struct limits limits;
};

int driver_with_guest(struct guest_options *options, const struct driver_tools *tools,
		      struct measurement *measurement, driver_body *body, void *context)
{
	struct guest guest;
	int err = guest_init(&guest, options, tools->trace, tools->trace_context);

	if (err)
		return err;
	err = body(&guest, tools, measurement, context);
	options->policy = guest.options.policy;
	guest_fini(&guest);
	return err;
}

static double seconds_of(const struct measurement *measurement)
{
	return measurement->phase_count ? measurement->phases[0].seconds : 0;
}

/* CPU time if that was measured, because it excludes the load of other processes. */
static double time_of(const struct measurement *measurement)
{
	double seconds = 0;

	if (measurement->phase_count && measurement->phases[0].per)
		return measurement->phases[0].cpu_ns;
	for (size_t i = 0; i < measurement->phase_count; i++)
		seconds += measurement->phases[i].seconds;
	return seconds;
}

static int by_time(const void *a, const void *b)
{
	double x = time_of(a), y = time_of(b);

	return x < y ? -1 : x > y;
}

static int measure_once(struct session *session, struct run *run)
{
	struct measurement *grown = reallocarray(run->measurements, run->count + 1, sizeof(*grown));
	int err;

	if (!grown)
		return -ENOMEM;
	run->measurements = grown;
	grown[run->count] = (struct measurement){0};
	err = session->driver->measure(run->options, &session->tools, &grown[run->count]);
	/* An interrupted iteration counts only if there is no other. */
	if (!err && (!grown[run->count].interrupted || run->count == 0))
		run->count++;
	else
		measurement_fini(&grown[run->count]);
	return err;
}

static int measure_all(struct session *session)
{
	unsigned int most = 0;

	for (size_t i = 0; i < session->cli.runs; i++)
		if (session->runs[i].iterations > most)
			most = session->runs[i].iterations;
	for (unsigned int round = 0; round < most; round++) {
		for (size_t i = 0; i < session->cli.runs; i++) {
			int err = 0;

			if (tdp_flag_raised(session->tools.stop))
				return 0;
			if (round < session->runs[i].iterations)
				err = measure_once(session, &session->runs[i]);
			if (err)
				return err;
		}
	}
	return 0;
}

/* The lower median is an iteration that was made. The caller frees `seconds`. */
static int summarise(struct run *run, struct report_run *summary)
{
	*summary = (struct report_run){.options = run->options, .iterations = run->count};
	summary->seconds = calloc(run->count + 1, sizeof(*summary->seconds));
	if (!summary->seconds)
		return -ENOMEM;
	for (unsigned int i = 0; i < run->count; i++) {
		summary->seconds[i] = seconds_of(&run->measurements[i]);
		summary->violations += run->measurements[i].violations;
		summary->failures += run->measurements[i].failure_count;
	}
	if (!run->count)
		return 0;
	qsort(run->measurements, run->count, sizeof(*run->measurements), by_time);
	summary->median = run->measurements[(run->count - 1) / 2];
	return 0;
}

static int report(struct session *session, bool *failed)
{
	struct report report = {.tool = session->driver->name,
				.cli = &session->cli,
				.count = session->cli.runs,
				.limits = session->limited ? &session->limits : NULL,
				.selftest = session->driver->selftest,
				.interrupted = tdp_flag_raised(session->tools.stop)};
	int err = 0;

	report.runs = calloc(report.count, sizeof(*report.runs));
	if (!report.runs)
		return -ENOMEM;
	for (size_t i = 0; !err && i < report.count; i++) {
		err = summarise(&session->runs[i], &report.runs[i]);
		*failed |= report.runs[i].violations || report.runs[i].failures;
	}
	if (!err && report_print(&report)) {
		err = errno ? -errno : -EIO;
		complain("cannot write the result: %s", strerror(-err));
	}
	for (size_t i = 0; i < report.count; i++)
		free(report.runs[i].seconds);
	free(report.runs);
	return err;
}

static enum status status_of(int err)
{
	return err == -EINVAL || err == -EOPNOTSUPP ? STATUS_USAGE : STATUS_FAILED;
}

/* On the first two CPUs of the first run's --pin, if they differ. */
static struct limits_config limits_config_of(const struct guest_options *guest)
{
	struct limits_config config = {0};

	if (!guest->pin)
		return config;
	config.cpus =
		(struct limits_cpus){{cpu_list_at(guest->pin, 0), cpu_list_at(guest->pin, 1)}};
	config.pinned = config.cpus.cpu[0] != config.cpus.cpu[1];
	return config;
}

static bool wants_limits(const struct driver *driver, const void *options)
{
	const struct guest_options *guest = options;

	return driver->has_limits && !guest->no_limits && twin_clock() == GUEST_CLOCK_REAL &&
	       (!driver->limited || driver->limited(options));
}

static int measure_limits(struct session *session)
{
	const struct driver *driver = session->driver;
	struct limits_config config = limits_config_of(session->runs[0].options);
	int err;

	for (size_t i = 0; i < session->cli.runs; i++)
		session->limited |= wants_limits(driver, session->runs[i].options);
	if (!session->limited)
		return 0;
	err = limits_measure(&config, &session->limits);
	if (err)
		complain("cannot measure the machine's limits: %s", strerror(-err));
	return err;
}

static enum status run_session(struct session *session)
{
	bool failed = false;
	int err = measure_limits(session);

	if (!err)
		err = measure_all(session);
	if (err)
		return status_of(err);
	if (report(session, &failed))
		return STATUS_FAILED;
	if (failed)
		return STATUS_FAILED;
	return tdp_flag_raised(session->tools.stop) ? STATUS_INTERRUPTED : STATUS_DONE;
}

/* The other clock is another build of the driver and the library. */
static enum status check_clock(const struct session *session, char **argv)
{
	size_t others = 0;

	for (size_t i = 0; i < session->cli.runs; i++) {
		const struct guest_options *guest = session->runs[i].options;

		others += guest->clock != twin_clock();
	}
	if (!others)
		return STATUS_DONE;
	if (others < session->cli.runs) {
		complain("--vary clock: real and virtual seconds cannot be compared");
		return STATUS_USAGE;
	}
	twin_run_other(argv);
	return STATUS_MISSING;
}

static int split_runs(struct session *session, void *options)
{
	session->runs = calloc(session->cli.runs, sizeof(*session->runs));
	if (!session->runs)
		return -ENOMEM;
	for (size_t i = 0; i < session->cli.runs; i++) {
		const struct guest_options *guest;

		session->runs[i].options = (char *)options + i * session->cli.options_bytes;
		guest = session->runs[i].options;
		session->runs[i].iterations = guest->iterations;
	}
	return 0;
}

static int open_tools(struct session *session)
{
	int err = tdp_flag_create(&session->tools.stop);

	if (!err)
		err = interrupt_catch(session->tools.stop);
	if (err || !session->cli.trace)
		return err;
	err = trace_file_open(&session->trace, session->cli.trace);
	if (err)
		return err;
	session->tools.trace = trace_file_sink;
	session->tools.trace_context = &session->trace;
	return 0;
}

/* STATUS_FAILED if the trace could not be written. */
static enum status close_tools(struct session *session, enum status status)
{
	if (session->trace.file && trace_file_close(&session->trace) && status == STATUS_DONE)
		status = STATUS_FAILED;
	interrupt_release();
	tdp_flag_destroy(session->tools.stop);
	return status;
}

static void free_measurements(struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++)
		measurement_fini(&run->measurements[i]);
	free(run->measurements);
}

static bool settle_guest(void *options, char *why, size_t size)
{
	return guest_options_settle(options, why, size);
}

#define TABLES 4

/* All parameters of the driver, in the order of --help; their number. */
static size_t list_tables(const struct driver *driver, struct parameters tables[TABLES])
{
	size_t count = 0;

	tables[count++] = guest_parameters;
	if (driver->has_iterations)
		tables[count++] = iterations_parameters;
	if (driver->parameters)
		tables[count++] = *driver->parameters;
	tables[count++] = policy_parameters();
	return count;
}

int driver_main(const struct driver *driver, int argc, char **argv)
{
	struct parameters tables[TABLES];
	struct session session = {
		.driver = driver,
		.cli = {.doc = driver->doc,
			.tables = tables,
			.tables_count = list_tables(driver, tables),
			.settle = driver->settle ? driver->settle : settle_guest,
			.has_selftest = driver->selftest != NULL,
			.options_bytes = driver->options_bytes},
	};
	enum status status = STATUS_FAILED;
	void *options;

	cli_parse(&session.cli, argc, argv, driver->defaults, &options);
	if (split_runs(&session, options) == 0)
		status = check_clock(&session, argv);
	if (status == STATUS_DONE) {
		status = open_tools(&session) ? STATUS_USAGE : run_session(&session);
		status = close_tools(&session, status);
	}
	for (size_t i = 0; session.runs && i < session.cli.runs; i++)
		free_measurements(&session.runs[i]);
	free(session.runs);
	free(options);
	cli_fini(&session.cli);
	return status;
}
