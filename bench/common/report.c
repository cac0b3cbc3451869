/*
 * The JSON object, which has the same layout for every driver, and the table. The JSON members have
 * a fixed order, so that two results can be compared line by line.
 */
#include "common/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdpsim/version.h>

#include "common/machine.h"
#include "common/size.h"

static double per_second(uint64_t count, double seconds)
{
	return seconds > 0 ? (double)count / seconds : 0;
}

static double gib_per_second(const struct phase *phase)
{
	return per_second(phase->bytes, phase->seconds) / (1 << 30);
}

static const struct guest_options *guest_of(const struct report_run *run)
{
	return run->options;
}

static void set(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value);
}

static void set_count(json_t *object, const char *name, uint64_t count)
{
	set(object, name, json_integer((json_int_t)count));
}

static json_t *config_json(const struct cli *cli, const void *options)
{
	json_t *config = json_object();

	for (size_t i = 0; i < cli->tables_count; i++)
		for (size_t j = 0; j < cli->tables[i].count; j++)
			set(config, cli->tables[i].table[j].name,
			    parameter_get(&cli->tables[i].table[j], options));
	return config;
}

/* The time of a phase divided by its limit; NAN if there is no limit. */
static double over_limit(const struct report *report, const struct phase *phase)
{
	struct limits limits;
	double *limit;

	if (!report->limits || !phase->limit)
		return NAN;
	limits = *report->limits;
	limit = limits_member(&limits, phase->limit);
	return limit && *limit > 0 ? phase->cpu_ns / *limit : NAN;
}

static void cpu_into(json_t *object, const struct report *report, const struct phase *phase)
{
	double ratio = over_limit(report, phase);
	char name[48];

	if (!phase->per)
		return;
	snprintf(name, sizeof(name), "cpu_ns_per_%s", phase->per);
	set(object, name, json_real(phase->cpu_ns));
	set(object, "limit", phase->limit ? json_string(phase->limit) : json_null());
	set(object, "limit_ratio", isnan(ratio) ? json_null() : json_real(ratio));
}

static void counted_into(json_t *object, const struct phase *phase)
{
	for (size_t i = 0; i < STAT_FIELDS; i++)
		if (stat_fields[i].in_phases)
			set(object, stat_fields[i].name,
			    json_integer(stat_read(&phase->counted, &stat_fields[i])));
}

static void extras_into(json_t *object, const struct phase *phase)
{
	for (size_t i = 0; i < PHASE_EXTRAS && phase->extras[i].name; i++)
		set_count(object, phase->extras[i].name, phase->extras[i].value);
}

/* Accesses in a second; of a phase without accesses, how often it could run. */
static double rate_of(const struct phase *phase)
{
	return per_second(phase->accesses ? phase->accesses : 1, phase->seconds);
}

/* How many times faster than the same phase of the first run; 0 if unknown. */
static double ratio(const struct report *report, const struct phase *phase)
{
	const struct measurement *first = &report->runs[0].median;

	for (size_t i = 0; i < first->phase_count; i++) {
		const struct phase *base = &first->phases[i];

		if (base->number == phase->number && strcmp(base->name, phase->name) == 0)
			return rate_of(base) > 0 ? rate_of(phase) / rate_of(base) : 0;
	}
	return 0;
}

static json_t *phase_json(const struct report *report, const struct phase *phase)
{
	json_t *object = json_object();
	char title[PHASE_NAME];

	set(object, "name", json_string(phase_title(phase, title)));
	set(object, "seconds", json_real(phase->seconds));
	set_count(object, "accesses", phase->accesses);
	set_count(object, "faults", phase->faults);
	set_count(object, "bytes", phase->bytes);
	set(object, "gib_per_second", json_real(gib_per_second(phase)));
	set(object, "faults_per_second", json_real(per_second(phase->faults, phase->seconds)));
	if (report->cli->vary)
		set(object, "ratio", json_real(ratio(report, phase)));
	cpu_into(object, report, phase);
	counted_into(object, phase);
	extras_into(object, phase);
	set(object, "stall", stall_json(&phase->stall));
	return object;
}

static json_t *phases_json(const struct report *report, const struct report_run *run)
{
	json_t *phases = json_array();

	for (size_t i = 0; i < run->median.phase_count; i++)
		json_array_append_new(phases, phase_json(report, &run->median.phases[i]));
	return phases;
}

static json_t *stats_json(const struct tdp_stats *stats)
{
	json_t *object = json_object();

	for (size_t i = 0; i < STAT_FIELDS; i++)
		set(object, stat_fields[i].name, json_integer(stat_read(stats, &stat_fields[i])));
	return object;
}

/* Growth of the resident set for each mapped page of any size. */
static json_t *resident_per_page(const struct measurement *measurement)
{
	const struct tdp_stats *stats = &measurement->stats;
	int64_t pages = stats->pages_4k + stats->pages_2m + stats->pages_1g;

	return pages > 0 ? json_real((double)measurement->resident_bytes / (double)pages)
			 : json_null();
}

static json_t *memory_json(const struct report_run *run)
{
	bool real = guest_of(run)->clock == GUEST_CLOCK_REAL;
	json_t *object = json_object();

	set_count(object, "table_bytes", run->median.table_bytes);
	set_count(object, "metadata_bytes", run->median.metadata_bytes);
	set(object, "rss_bytes", real ? json_integer(run->median.resident_bytes) : json_null());
	set(object, "rss_bytes_per_page", real ? resident_per_page(&run->median) : json_null());
	return object;
}

/* The violations are null if the checker did not run. */
static json_t *check_json(const struct report_run *run)
{
	json_t *object = json_object(), *failures = json_array();

	for (unsigned int i = 0; i < run->median.failure_count && i < FAILURES; i++)
		json_array_append_new(failures, json_string(run->median.failures[i]));
	set(object, "violations",
	    run->median.checked ? json_integer((json_int_t)run->violations) : json_null());
	set_count(object, "failed", run->failures);
	set(object, "failures", failures);
	return object;
}

static json_t *seconds_json(const struct report_run *run)
{
	json_t *seconds = json_array();

	for (unsigned int i = 0; i < run->iterations; i++)
		json_array_append_new(seconds, json_real(run->seconds[i]));
	return seconds;
}

static void run_into(json_t *object, const struct report *report, const struct report_run *run)
{
	set(object, "config", config_json(report->cli, run->options));
	set(object, "phases", phases_json(report, run));
	set(object, "iteration_seconds", seconds_json(run));
	set(object, "stats", stats_json(&run->median.stats));
	set(object, "memory", memory_json(run));
	set(object, "check", check_json(run));
}

static json_t *runs_json(const struct report *report)
{
	json_t *runs = json_array();

	for (size_t i = 0; i < report->count; i++) {
		const struct report_run *run = &report->runs[i];
		json_t *object = json_object();

		set(object, "value", json_string(report->cli->values[i]));
		set(object, "ratio",
		    json_real(run->median.phase_count ? ratio(report, &run->median.phases[0]) : 0));
		run_into(object, report, run);
		json_array_append_new(runs, object);
	}
	return runs;
}

static int print_json(const struct report *report)
{
	const struct guest_options *guest = guest_of(&report->runs[0]);
	json_t *object = json_object();
	char machine[256];
	int err;

	machine_describe(machine, sizeof(machine));
	set(object, "tool", json_string(report->tool));
	set(object, "version", json_string(TDP_VERSION));
	set(object, "clock", json_string(guest->clock == GUEST_CLOCK_REAL ? "real" : "virtual"));
	set(object, "machine", json_string(guest->machine ? guest->machine : machine));
	set_count(object, "seed", guest->seed);
	if (report->limits)
		set(object, "limits", limits_json(report->limits));
	if (report->cli->vary) {
		set(object, "vary", json_string(report->cli->vary->name));
		set(object, "runs", runs_json(report));
	} else {
		run_into(object, report, &report->runs[0]);
	}
	if (report->interrupted)
		set(object, "interrupted", json_true());
	err = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	json_decref(object);
	return putchar('\n') == EOF || err ? -1 : 0;
}

/* The table */

static const char *bold(bool on)
{
	if (!isatty(STDOUT_FILENO))
		return "";
	return on ? "\033[1m" : "\033[0m";
}

static void print_title(const struct report *report)
{
	const struct report_run *run = &report->runs[0];
	const struct guest_options *guest = guest_of(run);
	const struct cli *cli = report->cli;
	char size[SIZE_TEXT], machine[256];

	machine_describe(machine, sizeof(machine));
	printf("%s%s %s%s on %s\n", bold(true), report->tool, TDP_VERSION, bold(false),
	       guest->machine ? guest->machine : machine);
	printf("%u vCPU%s %s %s of %s pages", guest->vcpus, guest->vcpus == 1 ? "" : "s",
	       guest->overlap ? "sharing" : "x", size_exact(guest->bytes, size),
	       guest->backing == TDP_4K	  ? "4k"
	       : guest->backing == TDP_2M ? "2m"
					  : "1g");
	for (size_t i = 0; i < cli->tables_count; i++) {
		for (size_t j = 0; j < cli->tables[i].count; j++) {
			const struct parameter *parameter = &cli->tables[i].table[j];

			if (parameter->in_title && parameter != cli->vary)
				printf(", %s %s", parameter->name,
				       parameter_word(parameter, run->options));
		}
	}
	printf(", %u levels\n\n", guest->levels);
}

static void print_phase_head(const char *first, bool with_ratio)
{
	printf("%s%-24s %12s %12s %12s %10s %10s%s%s\n", bold(true), first, "seconds", "accesses",
	       "faults", "faults/s", "GiB/s", with_ratio ? "      ratio" : "", bold(false));
}

static void print_phase(const char *name, const struct phase *phase)
{
	char rate[SIZE_TEXT];

	printf("%-24s %12.6f %12" PRIu64 " %12" PRIu64 " %10s %10.2f", name, phase->seconds,
	       phase->accesses, phase->faults,
	       count_about(per_second(phase->faults, phase->seconds), rate), gib_per_second(phase));
}

/* The CPU time of a phase, with its limit. */
static void print_cpu(const struct report *report, const struct phase *phase)
{
	double ratio = over_limit(report, phase);

	if (!phase->per)
		return;
	printf("  cpu     %.2f ns a %s", phase->cpu_ns, phase->per);
	if (!isnan(ratio))
		printf(", %.2f x %s (%.2f ns)", ratio, phase->limit, phase->cpu_ns / ratio);
	putchar('\n');
}

/* The results of the faults of this phase, if there are several phases. */
static void print_counted(const struct phase *phase)
{
	const struct tdp_stats *counted = &phase->counted;

	if (counted->pf_taken)
		printf("  faults  fixed %" PRIu64 " (fast %" PRIu64 "), spurious %" PRIu64
		       ", retried %" PRIu64 "\n",
		       counted->pf_fixed, counted->pf_fast, counted->pf_spurious, counted->retries);
}

static void print_limits(const struct limits *limits)
{
	printf("limits: a fault in order %.2f ns, at random %.2f; an entry stored %.2f, exchanged "
	       "%.2f; a walk %.2f; a cache line to another CPU and back %.0f\n",
	       limits->realistic_seq, limits->realistic_random, limits->seq_plain_store,
	       limits->seq_exchange, limits->seq_walk, limits->pingpong);
}

static void print_rest(const struct report_run *run)
{
	const struct measurement *median = &run->median;
	const struct tdp_stats *stats = &median->stats;
	char tables[SIZE_TEXT], metadata[SIZE_TEXT], resident[SIZE_TEXT];

	printf("  leaves  4k %" PRId64 ", 2m %" PRId64 ", 1g %" PRId64 "; tables %" PRId64 "\n",
	       stats->pages_4k, stats->pages_2m, stats->pages_1g, stats->tables);
	printf("  faults  fixed %" PRIu64 " (fast %" PRIu64 "), spurious %" PRIu64
	       ", emulate %" PRIu64 ", retried %" PRIu64 ", errors %" PRIu64 "\n",
	       stats->pf_fixed, stats->pf_fast, stats->pf_spurious, stats->pf_emulate,
	       stats->retries, stats->errors);
	printf("  memory  tables %s, metadata %s", size_about(median->table_bytes, tables),
	       size_about(median->metadata_bytes, metadata));
	if (guest_of(run)->clock == GUEST_CLOCK_REAL)
		printf(", resident %s",
		       size_about(median->resident_bytes > 0 ? (uint64_t)median->resident_bytes : 0,
				  resident));
	putchar('\n');
	if (median->checked)
		printf("  check   %" PRIu64 " violations\n", run->violations);
	if (run->failures)
		printf("  check   %u failed\n", run->failures);
}

static void print_spread(const struct report_run *run)
{
	double least = run->seconds[0], most = run->seconds[0];

	for (unsigned int i = 1; i < run->iterations; i++) {
		least = run->seconds[i] < least ? run->seconds[i] : least;
		most = run->seconds[i] > most ? run->seconds[i] : most;
	}
	printf("  time    median of %u iterations, from %.6f to %.6f s\n", run->iterations, least,
	       most);
}

static void print_run(const struct report *report, size_t i)
{
	const struct report_run *run = &report->runs[i];
	const struct cli *cli = report->cli;
	char name[64], title[PHASE_NAME];

	for (size_t j = 0; j < run->median.phase_count; j++) {
		const struct phase *phase = &run->median.phases[j];

		snprintf(name, sizeof(name), "%s%s%s", cli->vary ? cli->values[i] : "",
			 cli->vary ? " " : "", phase_title(phase, title));
		print_phase(name, phase);
		if (cli->vary)
			printf(" %10.3f", ratio(report, phase));
		putchar('\n');
		print_cpu(report, phase);
		if (run->median.phase_count > 1)
			print_counted(phase);
		stall_print(&phase->stall, phase->accesses);
	}
	if (run->iterations > 1)
		print_spread(run);
	print_rest(run);
}

static int print_table(const struct report *report)
{
	const struct cli *cli = report->cli;

	print_title(report);
	print_phase_head(cli->vary ? cli->vary->name : "phase", cli->vary);
	for (size_t i = 0; i < report->count; i++)
		print_run(report, i);
	if (report->limits)
		print_limits(report->limits);
	if (report->interrupted)
		printf("interrupted: the numbers are those of the part that ran\n");
	return 0;
}

int report_print(const struct report *report)
{
	int err = 0;

	if (report->cli->json)
		err = print_json(report);
	else if (report->cli->selftest)
		report->selftest(&report->runs[0]);
	else
		err = print_table(report);
	return fflush(stdout) || ferror(stdout) ? -1 : err;
}
