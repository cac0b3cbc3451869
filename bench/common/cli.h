/*
 * A driver's command line
 *
 * Parses the parameters of the driver's tables and the options that every report
 * has: --json, --trace, --config, --vary, --help, --version. A mistake is told in
 * a sentence and ends the program with STATUS_USAGE.
 *
 * Whatever the order on the command line: first --config, then the parameters,
 * then the value of --vary, if there is one.
 */
#ifndef BENCH_CLI_H
#define BENCH_CLI_H

#include "common/parameter.h"

#define CLI_RUNS 16 /* values of one --vary */

/* The driver fills the first part; the second is filled by cli_parse(). */
struct cli {
	const char *doc; /* for --help */
	const struct parameters *tables;
	size_t tables_count;
	/* Says what contradicts what in `options`; may fill in defaults that depend on others. */
	bool (*settle)(void *options, char *why, size_t size);
	size_t options_bytes;
	bool has_selftest; /* there is a selftest whose report lines the driver can print */

	bool json;
	bool selftest;		      /* print those lines */
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
 * `defaults` holds the driver's options as they are when nothing is given. Stores
 * the options of each run, one after the other, in *options: an array for the
 * caller to free(). Texts in it are borrowed from argv and `cli`.
 */
void cli_parse(struct cli *cli, int argc, char **argv, const void *defaults, void **options);
void cli_fini(struct cli *cli);

#endif
