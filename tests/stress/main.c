/*
 * stress --seconds N NAME: runs one scenario of this folder and prints its seed, which
 * --seed accepts. Exit status 0: no error was found, 1: one was, 2: wrong usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress/scenarios.h"

enum {
	OPTION_SECONDS,
	OPTION_MILLISECONDS,
	OPTION_SEED,
	OPTION_LOCK,
	OPTION_FORMAT,
	OPTION_VCPUS,
	OPTION_BASELINE,
	OPTION_LIST,
	OPTION_HELP,
};

static const struct option options[] = {
	{"seconds", required_argument, NULL, OPTION_SECONDS},
	{"milliseconds", required_argument, NULL, OPTION_MILLISECONDS},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"lock", required_argument, NULL, OPTION_LOCK},
	{"format", required_argument, NULL, OPTION_FORMAT},
	{"vcpus", required_argument, NULL, OPTION_VCPUS},
	{"baseline", required_argument, NULL, OPTION_BASELINE},
	{"list", no_argument, NULL, OPTION_LIST},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

static void print_usage(FILE *out)
{
	fprintf(out,
		"usage: stress [--seconds N | --milliseconds N] [--seed N] [--lock "
		"exclusive|shared|percpu]\n"
		"              [--format npt|ept] [--vcpus N] [--baseline 5.13 to 7.2, or latest]\n"
		"              SCENARIO, or stress --list\n"
		"Without --lock and --format a run covers all of them.\n");
}

static void refuse(const char *what, const char *value)
{
	fprintf(stderr, "stress: %s: %s\n", what, value);
	exit(2);
}

static uint64_t number(const char *what, const char *text, uint64_t most)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (!*text || *text == '-' || *end || value > most)
		refuse(what, text);
	return value;
}

/* The index of `text` in `names`, which ends with NULL. */
static int choice(const char *what, const char *text, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	refuse(what, text);
	return -1;
}

static void list_scenarios(void)
{
	for (size_t i = 0; i < SCENARIO_COUNT; i++)
		printf("%-28s%s\n", scenarios[i]->name, scenarios[i]->what);
}

static void take_option(struct stress_options *run, int option, const char *value)
{
	static const char *const locks[] = {"", "exclusive", "shared", "percpu", NULL};
	static const char *const formats[] = {"npt", "ept", NULL};

	switch (option) {
	case OPTION_SECONDS:
		run->milliseconds = 1000 * number("not a number of seconds", value, 86400);
		break;
	case OPTION_MILLISECONDS:
		run->milliseconds = number("not a number of milliseconds", value, 86400000);
		break;
	case OPTION_SEED:
		run->seed = number("not a seed", value, ~0ULL);
		break;
	case OPTION_LOCK:
		run->lock = (enum tdp_lock_policy)choice("unknown lock", value, locks);
		break;
	case OPTION_FORMAT:
		run->format = choice("unknown format", value, formats);
		break;
	case OPTION_VCPUS:
		run->vcpus = (unsigned int)number("too many vCPUs", value, STRESS_VCPUS_MAX);
		break;
	case OPTION_BASELINE:
		if (tdp_baseline_find(value, &run->baseline))
			refuse("unknown baseline", value);
		break;
	case OPTION_LIST:
		list_scenarios();
		exit(0);
	case OPTION_HELP:
		print_usage(stdout);
		exit(0);
	default:
		print_usage(stderr);
		exit(2);
	}
}

static const struct scenario *find(const char *name)
{
	for (size_t i = 0; i < SCENARIO_COUNT; i++)
		if (strcmp(scenarios[i]->name, name) == 0)
			return scenarios[i];
	refuse("unknown scenario", name);
	return NULL;
}

int main(int argc, char **argv)
{
	struct stress_options run = {.milliseconds = 5000, .seed = tdp_clock_now(), .format = -1};
	const struct scenario *scenario;
	int option, verdict;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(&run, option, optarg);
	if (optind + 1 != argc) {
		print_usage(stderr);
		return 2;
	}
	scenario = find(argv[optind]);
	printf("%s: --seed %llu\n", scenario->name, (unsigned long long)run.seed);
	fflush(stdout);
	verdict = stress_run(scenario, &run);
	if (verdict)
		fprintf(stderr, "%s: failed; to repeat: --seed %llu\n", scenario->name,
			(unsigned long long)run.seed);
	return verdict;
}
