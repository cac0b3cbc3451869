/*
 * argp collects the options; they take effect after the whole command line has been read, so that
 * their order does not matter.
 */
#include "common/cli.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdpsim/version.h>

#include "common/status.h"

/* An option of the command line that has not taken effect yet. */
struct given {
	const struct parameter *parameter;
	const char *text;
};

enum key {
	KEY_JSON = 0x100,
	KEY_TRACE,
	KEY_CONFIG,
	KEY_VARY,
	KEY_SELFTEST,
	KEY_PARAMETER, /* plus the row's number, over all tables */
};

#define WHY 640

static const struct argp_option report_options[] = {
	{NULL, 0, NULL, 0, "Report:", 100},
	{"json", KEY_JSON, NULL, 0, "print one JSON object instead of a table", 100},
	{"trace", KEY_TRACE, "FILE", 0, "write every event to FILE, as the kernel's ftrace does",
	 100},
	{"config", KEY_CONFIG, "FILE", 0,
	 "start from the options of an earlier result ('-': standard input)", 100},
	{"vary", KEY_VARY, "NAME=A,B", 0,
	 "run with each value of option NAME, interleaved, and report the ratios", 100},
};

static const struct argp_option selftest_option = {
	"selftest-format",
	KEY_SELFTEST,
	NULL,
	0,
	"print the report lines of the KVM selftest instead of a table",
	100};

#define REPORT_OPTIONS (sizeof(report_options) / sizeof(report_options[0]))

static const struct parameter *row(const struct cli *cli, size_t number)
{
	for (size_t i = 0; i < cli->tables_count; i++) {
		if (number < cli->tables[i].count)
			return &cli->tables[i].table[number];
		number -= cli->tables[i].count;
	}
	return NULL;
}

static const struct parameter *row_named(const struct cli *cli, const char *name)
{
	const struct parameter *parameter;

	for (size_t i = 0; (parameter = row(cli, i)); i++)
		if (strcmp(parameter->name, name) == 0 ||
		    (parameter->alias && strcmp(parameter->alias, name) == 0))
			return parameter;
	return NULL;
}

static const struct parameter *row_of_key(const struct cli *cli, int key)
{
	const struct parameter *parameter;

	if (key >= KEY_PARAMETER)
		return row(cli, (size_t)(key - KEY_PARAMETER));
	for (size_t i = 0; (parameter = row(cli, i)); i++)
		if (parameter->letter && parameter->letter == key)
			return parameter;
	return NULL;
}

/* An array for argp: each table under its title, then the options of the report. */
static struct argp_option *argp_options(const struct cli *cli)
{
	size_t number = 0, room = REPORT_OPTIONS + cli->tables_count + 2;
	struct argp_option *options, *at;

	for (size_t i = 0; i < cli->tables_count; i++)
		room += 2 * cli->tables[i].count; /* each may have an alias */
	at = options = calloc(room, sizeof(*options));
	if (!options)
		return NULL;
	for (size_t i = 0; i < cli->tables_count; i++) {
		*at++ = (struct argp_option){.doc = cli->tables[i].title, .group = (int)i + 1};
		for (size_t j = 0; j < cli->tables[i].count; j++, number++) {
			const struct parameter *parameter = &cli->tables[i].table[j];

			*at++ = (struct argp_option){
				.name = parameter->name,
				.key = parameter->letter ? parameter->letter
							 : KEY_PARAMETER + (int)number,
				.arg = parameter->argument,
				.doc = parameter->help,
				.group = (int)i + 1,
			};
			if (!parameter->alias)
				continue;
			*at++ = (struct argp_option){.name = parameter->alias,
						     .flags = OPTION_ALIAS};
		}
	}
	memcpy(at, report_options, sizeof(report_options));
	if (cli->has_selftest)
		at[REPORT_OPTIONS] = selftest_option;
	return options;
}

static bool given_on_command_line(const struct cli *cli, const struct parameter *parameter)
{
	for (size_t i = 0; i < cli->given_count; i++)
		if (cli->given[i].parameter == parameter)
			return true;
	return cli->vary == parameter;
}

/* Whether an option on the command line overrides the value of this one in a config. */
static bool overruled(const struct cli *cli, const struct parameter *parameter)
{
	return parameter->governor &&
	       given_on_command_line(cli, row_named(cli, parameter->governor));
}

/* A member of "config" as the text of a command line. */
static const char *config_text(const json_t *value, char *buffer, size_t size)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	if (!json_is_integer(value))
		return NULL;
	snprintf(buffer, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return buffer;
}

static bool config_apply(const struct cli *cli, json_t *config, void *options, char *why)
{
	const char *name, *text;
	char buffer[32];
	json_t *value;

	json_object_foreach(config, name, value)
	{
		const struct parameter *parameter = row_named(cli, name);

		if (!parameter) {
			snprintf(why, WHY, "unknown option '%s'", name);
			return false;
		}
		if (json_is_null(value) || overruled(cli, parameter))
			continue;
		text = config_text(value, buffer, sizeof(buffer));
		if (!text) {
			snprintf(why, WHY, "'%s' is not a text, an integer or a boolean", name);
			return false;
		}
		if (!parameter_set(parameter, options, text, why, WHY))
			return false;
	}
	return true;
}

/* Reads a result, or only the "config" object of one. */
static void config_load(struct cli *cli, struct argp_state *state)
{
	const char *file = cli->config_file;
	json_error_t error;
	json_t *config;

	if (strcmp(file, "-") == 0)
		cli->config = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	else
		cli->config = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
	if (!cli->config)
		argp_error(state, "--config %s: line %d: %s", file, error.line, error.text);
	if (json_object_get(cli->config, "runs"))
		argp_error(state, "--config %s holds several runs: give the config of one", file);
	config = json_object_get(cli->config, "config");
	if (config) {
		json_incref(config);
		json_decref(cli->config);
		cli->config = config;
	}
	if (!json_is_object(cli->config))
		argp_error(state, "--config %s: not an object", file);
}

static void vary_parse(struct cli *cli, struct argp_state *state)
{
	char *values, *value;

	cli->vary_copy = strdup(cli->vary_text);
	if (!cli->vary_copy)
		argp_failure(state, STATUS_FAILED, ENOMEM, "--vary");
	values = strchr(cli->vary_copy, '=');
	if (!values)
		argp_error(state, "--vary '%s': expected NAME=A,B", cli->vary_text);
	*values++ = '\0';
	cli->vary = row_named(cli, cli->vary_copy);
	if (!cli->vary)
		argp_error(state, "--vary: unknown option '%s'", cli->vary_copy);
	cli->runs = 0;
	while ((value = strsep(&values, ","))) {
		if (cli->runs == CLI_RUNS)
			argp_error(state, "--vary: more than %d values", CLI_RUNS);
		cli->values[cli->runs++] = value;
	}
	if (cli->runs < 2)
		argp_error(state, "--vary '%s': give two or more values to compare",
			   cli->vary_text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct cli *cli = state->input;
	const struct parameter *parameter;

	switch (key) {
	case KEY_JSON:
		cli->json = true;
		return 0;
	case KEY_TRACE:
		cli->trace = text;
		return 0;
	case KEY_CONFIG:
		cli->config_file = text;
		return 0;
	case KEY_VARY:
		if (cli->vary_text)
			argp_error(state, "--vary may be given once");
		cli->vary_text = text;
		return 0;
	case KEY_SELFTEST:
		cli->selftest = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not an option", text);
		return 0;
	case ARGP_KEY_END:
		if (cli->vary_text)
			vary_parse(cli, state);
		if (cli->selftest && (cli->json || cli->vary))
			argp_error(state, "--selftest-format excludes --json and --vary");
		if (cli->config_file)
			config_load(cli, state);
		return 0;
	default:
		parameter = row_of_key(cli, key);
		if (!parameter)
			return ARGP_ERR_UNKNOWN;
		cli->given[cli->given_count++] = (struct given){parameter, text ? text : "true"};
		return 0;
	}
}

/* The options of one run. Returns false, with a reason, if they are not valid. */
static bool run_options(const struct cli *cli, size_t run, void *options, char *why)
{
	if (cli->config && !config_apply(cli, cli->config, options, why)) {
		char sentence[WHY];

		snprintf(sentence, sizeof(sentence), "%s", why);
		snprintf(why, WHY, "--config %.60s: %.500s", cli->config_file, sentence);
		return false;
	}
	for (size_t i = 0; i < cli->given_count; i++)
		if (!parameter_set(cli->given[i].parameter, options, cli->given[i].text, why, WHY))
			return false;
	if (cli->vary && !parameter_set(cli->vary, options, cli->values[run], why, WHY))
		return false;
	return cli->settle(options, why, WHY);
}

static void *all_run_options(const struct cli *cli, const struct argp *argp, const void *defaults)
{
	char why[WHY], *options = calloc(cli->runs, cli->options_bytes);

	for (size_t i = 0; options && i < cli->runs; i++) {
		char *of_run = options + i * cli->options_bytes;

		memcpy(of_run, defaults, cli->options_bytes);
		if (!run_options(cli, i, of_run, why)) {
			complain("%s", why);
			argp_help(argp, stderr, ARGP_HELP_SEE, program_invocation_short_name);
			exit(STATUS_USAGE);
		}
	}
	return options;
}

static void out_of_memory(void)
{
	complain("out of memory");
	exit(STATUS_FAILED);
}

void cli_parse(struct cli *cli, int argc, char **argv, const void *defaults, void **options)
{
	struct argp_option *table = argp_options(cli);
	struct argp argp = {.options = table, .parser = parse, .doc = cli->doc};
	char version[64];

	snprintf(version, sizeof(version), "%s (libtdpsim) %s", program_invocation_short_name,
		 TDP_VERSION);
	argp_program_version = version;
	argp_err_exit_status = STATUS_USAGE;
	cli->runs = 1;
	cli->given = calloc((size_t)argc, sizeof(*cli->given));
	if (!table || !cli->given)
		out_of_memory();
	if (argp_parse(&argp, argc, argv, 0, NULL, cli))
		exit(STATUS_USAGE);
	*options = all_run_options(cli, &argp, defaults);
	if (!*options)
		out_of_memory();
	argp_program_version = NULL;
	free(table);
}

void cli_fini(struct cli *cli)
{
	free(cli->given);
	free(cli->vary_copy);
	json_decref(cli->config);
}
