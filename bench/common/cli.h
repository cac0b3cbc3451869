/*
 * The command line of a driver
 *
 * Parses the parameters of the driver's tables and the common options --json, --trace, --config,
 * --vary, --help and --version. A mistake prints a sentence and ends the program with STATUS_USAGE.
 *
 * Whatever their order on the command line, --config takes effect first, then the parameters, then
 * the value of --vary.
 */
#ifndef BENCH_CLI_H
#define BENCH_CLI_H

#include "common/parameter.h"

#define CLI_RUNS 16 /* values of one --vary */

/* The driver fills the first part, cli_parse() the second. */
struct cli {
	const char *doc; /* for --help */
	const struct parameters *tables;
	size_t tables_count;
	/* Checks `options`, and fills in defaults that depend on other options. */
	bool (*settle)(void *options, char *why, size_t size);
	size_t options_bytes;
	bool has_selftest; /* the driver can print the report of a KVM selftest */

	bool json;
	bool selftest;		      /* print that report */
	const char *trace;	      /* file, or NULL */
	const struct parameter *vary; /* or NULL */
	const char *values[CLI_RUNS]; /* of vary */
	size_t runs;		      /* at least one */

	/* cli.c only */
	struct given *given;
	size_t given_count;
	const char *config_file, *vary_text;
	json_t *config;
	char *vary_copy;
};

/*
 * `defaults` holds the default options of the driver. Stores an array with the options of each run
 * in *options, which the caller frees. Its strings are borrowed from argv and `cli`.
 */
void cli_parse(struct cli *cli, int argc, char **argv, const void *defaults, void **options);
void cli_fini(struct cli *cli);

#endif
