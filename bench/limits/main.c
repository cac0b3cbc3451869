/*
 * limits: measures lower bounds for stores, compare-and-swaps, tables, walks, shared words and
 * whole faults on this machine, to compare figures of the library with. No code of the library runs
 * here.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdpsim/run.h>
#include <tdpsim/version.h>

#include "common/interrupt.h"
#include "common/parameter.h"
#include "common/size.h"
#include "common/status.h"
#include "limits/ground.h"
#include "limits/result.h"

#define GUEST_LEAST ((uint64_t)2 << 20)
#define GUEST_MOST  ((uint64_t)1 << 40)
#define RUNS_MOST   1000

enum key {
	KEY_GUEST = 0x100,
	KEY_TABLES,
	KEY_QUICK,
	KEY_JSON,
};

static const struct argp_option option_table[] = {
	{"part", 'p', "LIST", 0, "What to measure, of entry, pass, table, walk, word, fault (all)",
	 0},
	{"quick", KEY_QUICK, NULL, 0, "Measure only the limits that other drivers report", 0},
	{"guest-memory", KEY_GUEST, "SIZE", 0, "Guest that the tables map at 4K (16G)", 0},
	{"tables", KEY_TABLES, "PAGES", 0, "Pages that hold the tables, 2m or 4k (2m)", 0},
	{"pin", 'c', "LIST", 0, "Two CPUs for probes with two threads (the first two)", 0},
	{"runs", 'i', "N", 0, "Runs of which the median is reported (9, with --quick 5)", 0},
	{"json", KEY_JSON, NULL, 0, "Print one JSON object instead of a table", 0},
	{0},
};

/* Whether the name is in a comma-separated list; NULL contains all names. */
static bool listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length]))
			return true;
	}
	return !list;
}

static void parse_parts(struct argp_state *state, const char *text)
{
	const char *at = text;

	do {
		size_t length = strcspn(at, ",");
		bool known = false;

		for (size_t i = 0; i < parts_count; i++)
			known |= strlen(parts[i]->name) == length &&
				 strncmp(at, parts[i]->name, length) == 0;
		if (!known)
			argp_error(
				state,
				"--part '%.*s': expected entry, pass, table, walk, word or fault",
				(int)length, at);
		at += length + (at[length] == ',');
	} while (*at);
}

static void parse_guest(struct argp_state *state, const char *text, uint64_t *bytes)
{
	if (!size_parse(text, bytes) || *bytes < GUEST_LEAST || *bytes > GUEST_MOST ||
	    *bytes % GUEST_LEAST)
		argp_error(state,
			   "--guest-memory '%s': expected a size from 2M to 1T, a multiple of 2M",
			   text);
}

static void parse_tables(struct argp_state *state, const char *text, bool *small_pages)
{
	*small_pages = strcmp(text, "4k") == 0;
	if (!*small_pages && strcmp(text, "2m") != 0)
		argp_error(state, "--tables '%s': expected 2m or 4k", text);
}

static void parse_runs(struct argp_state *state, const char *text, unsigned int *runs)
{
	uint64_t number;

	if (!number_parse(text, &number) || number < 1 || number > RUNS_MOST)
		argp_error(state, "--runs '%s': expected a number from 1 to %d", text, RUNS_MOST);
	else
		*runs = (unsigned int)number;
}

static void parse_pin(struct argp_state *state, char *text, struct options *options)
{
	struct limits_config *config = &options->config;

	if (!parameter_cpus.parse(NULL, text, &options->pin)) {
		argp_error(state, "--pin '%s': expected a list of CPUs such as 0,2", text);
		return;
	}
	config->pinned = true;
	config->cpus.cpu[0] = cpu_list_at(text, 0);
	config->cpus.cpu[1] = cpu_list_at(text, 1);
	if (config->cpus.cpu[0] == config->cpus.cpu[1])
		argp_error(state, "--pin '%s': two threads need two CPUs", text);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'p':
		parse_parts(state, argument);
		options->part = argument;
		return 0;
	case 'c':
		parse_pin(state, argument, options);
		return 0;
	case 'i':
		parse_runs(state, argument, &options->config.runs);
		return 0;
	case KEY_GUEST:
		parse_guest(state, argument, &options->config.guest_bytes);
		return 0;
	case KEY_TABLES:
		parse_tables(state, argument, &options->config.small_pages);
		return 0;
	case KEY_QUICK:
		options->quick = true;
		return 0;
	case KEY_JSON:
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not an option", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.doc = "Measures lower bounds for the cost of the parts of a fault on this "
		       "machine.",
	};
	char version[64];

	snprintf(version, sizeof(version), "%s (libtdpsim) %s", program_invocation_short_name,
		 TDP_VERSION);
	argp_program_version = version;
	argp_err_exit_status = STATUS_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, options))
		exit(STATUS_USAGE);
	argp_program_version = NULL;
	if (!options->config.runs)
		options->config.runs = options->quick ? LIMITS_RUNS : 9;
}

static bool wanted(struct result *result, const struct part *part, const struct probe *probe)
{
	if (result->options->quick && !limits_member(&result->limits, probe->name))
		return false;
	return listed(result->options->part, part->name);
}

static int measure_probe(struct result *result, struct ground *ground, struct line *line)
{
	const struct options *options = result->options;
	int err = probe_measure(line->probe, ground, &options->config, &line->sample);

	if (err == -ENODEV) {
		complain("%s is not measured: it needs two CPUs", line->probe->name);
		return 0;
	}
	if (!err)
		err = result_add(result, line);
	if (err) {
		complain("cannot measure %s: %s%s", line->probe->name, strerror(-err),
			 err == -EINVAL && options->pin ? " (a CPU of --pin does not exist)" : "");
		return err;
	}
	if (!options->json)
		result_print_line(result);
	return 0;
}

static int measure_parts(struct result *result, struct ground *ground, const struct tdp_flag *stop)
{
	for (size_t i = 0; i < parts_count; i++) {
		for (size_t k = 0; k < parts[i]->count; k++) {
			struct line line = {.part = parts[i], .probe = &parts[i]->probes[k]};
			int err;

			if (!wanted(result, line.part, line.probe))
				continue;
			result->interrupted = tdp_flag_raised(stop);
			if (result->interrupted)
				return 0;
			err = measure_probe(result, ground, &line);
			if (err)
				return err;
		}
	}
	return 0;
}

static int measure_ground(struct result *result, const struct tdp_flag *stop)
{
	const struct limits_config *config = &result->options->config;
	struct ground *ground;
	int err = ground_create(config->guest_bytes, config->small_pages, &ground);

	if (err) {
		complain("not enough memory for the tables of such a guest");
		return err;
	}
	result->table_bytes = ground->tables_count * sizeof(*ground->tables);
	result->huge_bytes = ground_huge_bytes(ground);
	if (!result->options->json)
		result_print_head(result);
	err = measure_parts(result, ground, stop);
	ground_destroy(ground);
	return err;
}

static enum status measure(struct result *result)
{
	struct tdp_flag *stop = NULL;
	int err = tdp_flag_create(&stop);

	if (!err)
		err = interrupt_catch(stop);
	if (!err)
		err = measure_ground(result, stop);
	interrupt_release();
	tdp_flag_destroy(stop);
	if (!err && result->options->json) {
		err = result_print_json(result);
		if (err)
			complain("cannot write the result: %s", strerror(-err));
	}
	if (err) /* -EINVAL: a CPU of --pin does not exist */
		return err == -EINVAL ? STATUS_USAGE : STATUS_FAILED;
	return result->interrupted ? STATUS_INTERRUPTED : STATUS_DONE;
}

int main(int argc, char **argv)
{
	struct options options = {.config.guest_bytes = LIMITS_GUEST_BYTES};
	struct result result = {.options = &options};
	enum status status;

	parse_options(argc, argv, &options);
	limits_clear(&result.limits);
	status = measure(&result);
	result_fini(&result);
	return status;
}
