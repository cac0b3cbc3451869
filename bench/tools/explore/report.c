#include "tools/explore/report.h"

#include <inttypes.h>

#include "platform/virtual/symbol.h"

static const char *const kind_names[] = {
	[HUNT_RANDOM] = "random",
	[HUNT_PCT] = "pct",
	[HUNT_EXHAUSTIVE] = "exhaustive",
};

/* The child process that ran was forked from this one, so its code has the same addresses. */
static void function_of(const struct schedule_switch *step, char *name, size_t size)
{
	if (step->place)
		symbol_name((const char *)step->place - 1, name, size);
	else
		snprintf(name, size, "(begins)");
}

static uint64_t kept(const struct hunt *hunt)
{
	uint64_t made = hunt->now.schedule.switches_made;

	return made < HUNT_SWITCHES ? made : HUNT_SWITCHES;
}

static uint64_t first_shown(const struct hunt *hunt)
{
	return kept(hunt) > REPORT_SWITCHES ? kept(hunt) - REPORT_SWITCHES : 0;
}

static void print_schedule(FILE *out, const struct hunt *hunt)
{
	if (first_shown(hunt))
		fprintf(out, "  %" PRIu64 " earlier switches are not shown\n", first_shown(hunt));
	for (uint64_t i = first_shown(hunt); i < kept(hunt); i++) {
		char name[80];

		function_of(&hunt->switches[i], name, sizeof(name));
		fprintf(out, "  actor %zu, step %" PRIu64 ", %s\n", hunt->switches[i].actor,
			hunt->switches[i].step, name);
	}
}

void report_text(FILE *out, const struct scenario *scenario, const struct hunt *hunt,
		 const struct hunt_options *options)
{
	fprintf(out, "%-28s %10" PRIu64 " schedules %12" PRIu64 " steps  %s\n", scenario->name,
		hunt->made, hunt->steps,
		hunt->failed	 ? "FAILED"
		: hunt->complete ? "nothing found, no schedule left to try"
				 : "nothing found");
	if (!hunt->failed)
		return;
	print_schedule(out, hunt);
	fputs(hunt->output, out);
	fprintf(out, "  to repeat: explore %s --schedule %s", scenario->name,
		kind_names[options->kind]);
	if (options->kind == HUNT_PCT)
		fprintf(out, ":%u", options->depth);
	if (options->kind == HUNT_EXHAUSTIVE)
		fprintf(out, " --preemptions %u --schedules %" PRIu64, options->preemptions,
			hunt->made + 1);
	else
		fprintf(out, " --schedules 1");
	fprintf(out, " --steps %" PRIu64 " --seed %" PRIu64 "\n", hunt_steps(options, scenario),
		hunt->seed);
}

static void set(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value);
}

static void set_count(json_t *object, const char *name, uint64_t count)
{
	set(object, name, json_integer((json_int_t)count));
}

static json_t *schedule_json(const struct hunt *hunt)
{
	json_t *list = json_array();

	for (uint64_t i = first_shown(hunt); i < kept(hunt); i++) {
		json_t *step = json_object();
		char name[80];

		function_of(&hunt->switches[i], name, sizeof(name));
		set_count(step, "actor", hunt->switches[i].actor);
		set_count(step, "step", hunt->switches[i].step);
		set(step, "function", json_string(name));
		json_array_append_new(list, step);
	}
	return list;
}

static json_t *failure_json(const struct hunt *hunt)
{
	json_t *failure = json_object(), *output = json_string(hunt->output);

	set_count(failure, "seed", hunt->seed);
	set_count(failure, "steps", hunt->now.schedule.steps);
	set_count(failure, "switches", hunt->now.schedule.switches_made);
	set(failure, "schedule", schedule_json(hunt));
	set(failure, "words", output ? output : json_null());
	return failure;
}

json_t *report_json(const struct scenario *scenario, const struct hunt *hunt)
{
	json_t *object = json_object();

	set(object, "name", json_string(scenario->name));
	set_count(object, "schedules", hunt->made);
	set_count(object, "steps", hunt->steps);
	set(object, "complete", json_boolean(hunt->complete));
	set(object, "failure", hunt->failed ? failure_json(hunt) : json_null());
	return object;
}

json_t *report_config(const struct hunt_options *options)
{
	json_t *config = json_object();

	set(config, "schedule", json_string(kind_names[options->kind]));
	if (options->kind == HUNT_PCT)
		set_count(config, "depth", options->depth);
	if (options->kind == HUNT_EXHAUSTIVE)
		set_count(config, "preemptions", options->preemptions);
	set_count(config, "schedules", options->schedules);
	set_count(config, "steps", options->steps);
	set_count(config, "vcpus", options->stress.vcpus);
	return config;
}
