/*
 * explore SCENARIO|all: runs stress scenarios under chosen schedules, searching for an
 * interleaving that breaks an invariant, and prints the one that does. Exit status 0:
 * none was found, 1: one was found, 2: wrong usage.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdpsim/version.h>

#include "stress/scenarios.h"
#include "tools/explore/report.h"

#define EXIT_USAGE 2

enum key {
	KEY_SCHEDULE = 256,
	KEY_SCHEDULES,
	KEY_PREEMPTIONS,
	KEY_SEED,
	KEY_STEPS,
	KEY_BASELINE,
	KEY_LOCK,
	KEY_JSON,
	KEY_LIST,
};

static const struct argp_option table[] = {
	{"schedule", KEY_SCHEDULE, "KIND", 0, "random, pct[:DEPTH] (depth 3) or exhaustive", 0},
	{"schedules", KEY_SCHEDULES, "N", 0, "number of schedules to run in each scenario (1000)",
	 0},
	{"preemptions", KEY_PREEMPTIONS, "N", 0,
	 "allowed in a schedule of the exhaustive search (1)", 0},
	{"seed", KEY_SEED, "N", 0, "seed of the first schedule; each further one adds 1 (1)", 0},
	{"steps", KEY_STEPS, "N", 0,
	 "steps after which the players end (3000, or what the scenario needs)", 0},
	{"vcpus", 'v', "N", 0, "number of vCPUs instead of the scenario's own", 0},
	{"baseline", KEY_BASELINE, "NAME", 0, "a kernel from 5.13 to 7.2, or latest (latest)", 0},
	{"lock", KEY_LOCK, "NAME", 0, "exclusive, shared or percpu (chosen by the seed)", 0},
	{"json", KEY_JSON, NULL, 0, "print one JSON object", 0},
	{"list", KEY_LIST, NULL, 0, "list the scenarios", 0},
	{0},
};

struct explore {
	struct hunt_options hunt;
	const char *scenario;
	bool json, list;
};

static uint64_t number(struct argp_state *state, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (!*text || *text == '-' || *end || errno || value < least || value > most)
		argp_error(state, "'%s' is not a number from %llu to %llu", text,
			   (unsigned long long)least, (unsigned long long)most);
	return value;
}

static void set_schedule(struct argp_state *state, struct hunt_options *hunt, const char *text)
{
	if (strcmp(text, "random") == 0)
		hunt->kind = HUNT_RANDOM;
	else if (strcmp(text, "exhaustive") == 0)
		hunt->kind = HUNT_EXHAUSTIVE;
	else if (strcmp(text, "pct") == 0 || strncmp(text, "pct:", 4) == 0)
		hunt->kind = HUNT_PCT;
	else
		argp_error(state, "unknown schedule '%s'", text);
	if (strncmp(text, "pct:", 4) == 0)
		hunt->depth = (unsigned int)number(state, text + 4, 1, PCT_DEPTH_MOST);
}

/* The index of `text` in a list that ends with NULL. */
static unsigned int choice(struct argp_state *state, const char *text, const char *const *names)
{
	unsigned int i = 0;

	while (names[i] && strcmp(names[i], text) != 0)
		i++;
	if (!names[i])
		argp_error(state, "unknown value '%s'", text);
	return i;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	static const char *const locks[] = {"", "exclusive", "shared", "percpu", NULL};
	struct explore *explore = state->input;
	struct hunt_options *hunt = &explore->hunt;

	switch (key) {
	case KEY_SCHEDULE:
		set_schedule(state, hunt, text);
		break;
	case KEY_SCHEDULES:
		hunt->schedules = number(state, text, 1, INT64_MAX);
		break;
	case KEY_PREEMPTIONS:
		hunt->preemptions = (unsigned int)number(state, text, 0, 1000);
		break;
	case KEY_SEED:
		hunt->seed = number(state, text, 0, INT64_MAX);
		break;
	case KEY_STEPS:
		hunt->steps = number(state, text, 1, 1000000000);
		break;
	case 'v':
		hunt->stress.vcpus = (unsigned int)number(state, text, 1, STRESS_VCPUS_MAX);
		break;
	case KEY_BASELINE:
		if (tdp_baseline_find(text, &hunt->stress.baseline))
			argp_error(state, "unknown value '%s'", text);
		break;
	case KEY_LOCK:
		hunt->stress.lock = (enum tdp_lock_policy)choice(state, text, locks);
		break;
	case KEY_JSON:
		explore->json = true;
		break;
	case KEY_LIST:
		explore->list = true;
		break;
	case ARGP_KEY_ARG:
		if (explore->scenario)
			argp_error(state, "give one scenario, or 'all'");
		explore->scenario = text;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool is_wanted(const struct explore *explore, const struct scenario *scenario)
{
	return strcmp(explore->scenario, "all") == 0 ||
	       strcmp(explore->scenario, scenario->name) == 0;
}

/* -1 if the scenario could not be run, 1 if a schedule failed, 0 if none did. */
static int explore_one(const struct explore *explore, const struct scenario *scenario,
		       json_t *results)
{
	struct hunt *hunt = hunt_run(scenario, &explore->hunt);
	int found;

	if (!hunt) {
		perror("explore");
		return -1;
	}
	found = hunt->failed;
	if (explore->json)
		json_array_append_new(results, report_json(scenario, hunt));
	else
		report_text(stdout, scenario, hunt, &explore->hunt);
	hunt_end(hunt);
	return found;
}

static void print_json(const struct explore *explore, json_t *results, unsigned int found)
{
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:I, s:o, s:O, s:{s:i}}", "tool", "explore", "version",
			  TDP_VERSION, "clock", "virtual", "seed", (json_int_t)explore->hunt.seed,
			  "config", report_config(&explore->hunt), "scenarios", results, "check",
			  "violations", (int)found);

	json_dumpf(object, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(object);
}

static int explore_all(const struct explore *explore)
{
	json_t *results = json_array();
	unsigned int explored = 0, found = 0;
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < SCENARIO_COUNT; i++) {
		int verdict;

		if (!is_wanted(explore, scenarios[i]))
			continue;
		verdict = explore_one(explore, scenarios[i], results);
		if (verdict)
			status = EXIT_FAILURE;
		found += verdict > 0;
		explored++;
	}
	if (!explored) {
		fprintf(stderr, "explore: unknown scenario '%s'\n", explore->scenario);
		status = EXIT_USAGE;
	} else if (explore->json) {
		print_json(explore, results, found);
	}
	json_decref(results);
	return status;
}

static int list(void)
{
	for (size_t i = 0; i < SCENARIO_COUNT; i++)
		printf("%-28s%s\n", scenarios[i]->name, scenarios[i]->what);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct argp argp = {
		.options = table,
		.parser = parse,
		.args_doc = "SCENARIO|all",
		.doc = "Searches for an interleaving that breaks an invariant.",
	};
	struct explore explore = {
		.hunt = {.depth = 3,
			 .preemptions = 1,
			 .schedules = 1000,
			 .seed = 1,
			 .stress = {.format = -1}},
	};

	argp_err_exit_status = EXIT_USAGE;
	argp_program_version = "explore " TDP_VERSION;
	argp_parse(&argp, argc, argv, 0, NULL, &explore);
	if (explore.list)
		return list();
	if (!explore.scenario) {
		fprintf(stderr, "explore: no scenario given; --list shows them\n");
		return EXIT_USAGE;
	}
	return explore_all(&explore);
}
