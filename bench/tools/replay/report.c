/*
 * The report of a replay. Results go to standard output, complaints to standard
 * error; with --json standard output carries exactly one object.
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <tdpsim/version.h>

#include "common/machine.h"
#include "common/status.h"
#include "common/twin.h"

static const char *const verdicts[] = {
	[ENDING_AGREES] = "agrees",
	[ENDING_STOPPED] = "stopped",
	[ENDING_DIFFERS] = "differs",
	[ENDING_FAILED] = "failed",
};

int report_begin(struct report *report, bool json, const struct settings *asked)
{
	report->json = json;
	report->asked = asked;
	report->traces = json ? json_array() : NULL;
	return json && !report->traces ? -ENOMEM : 0;
}

static size_t kept_differences(const struct comparison *comparison)
{
	return comparison->difference_count < DIFFERENCES_MAX ? comparison->difference_count
							      : DIFFERENCES_MAX;
}

static void print_assumed(const struct replay *replay, const bool assumed[SETTING_COUNT])
{
	const char *before = "  assumed:";

	for (int i = 0; i < SETTING_COUNT; i++) {
		if (!assumed[i])
			continue;
		printf("%s %s %s", before, setting_name(i),
		       setting_value_name(i, replay->settings.value[i]));
		if (i == SETTING_BASELINE && replay->trace->header.major != NOT_STATED)
			printf(" (for kernel %d.%d)", replay->trace->header.major,
			       replay->trace->header.minor);
		before = ",";
	}
	if (*before == ',')
		putchar('\n');
}

static void print_replay(struct replay *replay, const bool assumed[SETTING_COUNT])
{
	const struct comparison *comparison = &replay->comparison;

	printf("%s: %s, %" PRIu64 " lines compared\n", replay->trace->path,
	       verdicts[replay->ending], comparison->compared);
	print_assumed(replay, assumed);
	for (size_t i = 0; i < kept_differences(comparison); i++)
		printf("  line %u: %s\n", comparison->differences[i].line,
		       comparison->differences[i].sentence);
	if (comparison->difference_count > DIFFERENCES_MAX)
		printf("  and %zu more\n", comparison->difference_count - DIFFERENCES_MAX);
	if (replay->lacks_misconfig)
		puts("  not compared: ept_misconfig, whose probe did not fire");
	if (replay->walk.yields)
		printf("  not compared: %u flushes before a yield\n", replay->walk.yields);
	if (replay->violations)
		printf("  %" PRIu64 " violations, the first: %s\n", replay->violations,
		       replay->violation);
	if (replay->needs)
		printf("  line %u: needs %s\n", replay->stop_line, replay->needs);
	if (replay->ending == ENDING_FAILED)
		printf("  line %u: %s\n", replay_line(replay), replay->problem.sentence);
}

static json_t *settings_object(const struct replay *replay, const bool assumed[SETTING_COUNT],
			       bool only_assumed)
{
	json_t *object = json_object();

	for (int i = 0; i < SETTING_COUNT; i++) {
		if (assumed[i] == only_assumed)
			json_object_set_new(
				object, setting_name(i),
				json_string(setting_value_name(i, replay->settings.value[i])));
	}
	return object;
}

static json_t *difference_list(const struct comparison *comparison)
{
	json_t *list = json_array();

	for (size_t i = 0; i < kept_differences(comparison); i++)
		json_array_append_new(
			list, json_pack("{s:i, s:s}", "line", (int)comparison->differences[i].line,
					"sentence", comparison->differences[i].sentence));
	return list;
}

static void add_replay(struct report *report, const struct replay *replay,
		       const bool assumed[SETTING_COUNT])
{
	const struct comparison *comparison = &replay->comparison;
	json_t *object;

	object = json_pack(
		"{s:s, s:s, s:I, s:I, s:o, s:o, s:o}", "trace", replay->trace->path, "verdict",
		verdicts[replay->ending], "lines_compared", (json_int_t)comparison->compared,
		"differences", (json_int_t)comparison->difference_count, "first_differences",
		difference_list(comparison), "config", settings_object(replay, assumed, false),
		"assumed", settings_object(replay, assumed, true));
	if (replay->check)
		json_object_set_new(
			object, "check",
			json_pack("{s:I}", "violations", (json_int_t)replay->violations));
	if (replay->needs) {
		json_object_set_new(object, "needs", json_string(replay->needs));
		json_object_set_new(object, "stop_line", json_integer(replay->stop_line));
	}
	if (replay->ending == ENDING_FAILED)
		json_object_set_new(object, "problem", json_string(replay->problem.sentence));
	json_array_append_new(report->traces, object);
}

void report_replay(struct report *report, struct replay *replay, const bool assumed[SETTING_COUNT])
{
	if (report->json)
		add_replay(report, replay, assumed);
	else
		print_replay(replay, assumed);
	fflush(stdout);
}

void report_problem(struct report *report, const char *path, const struct problem *problem)
{
	if (report->json)
		json_array_append_new(report->traces,
				      json_pack("{s:s, s:s, s:s}", "trace", path, "verdict",
						"unusable", "problem", problem->sentence));
	complain("%s", problem->sentence);
}

static json_t *asked_object(const struct settings *asked)
{
	json_t *object = json_object();

	for (int i = 0; i < SETTING_COUNT; i++) {
		if (asked->value[i] != SETTING_UNKNOWN)
			json_object_set_new(object, setting_name(i),
					    json_string(setting_value_name(i, asked->value[i])));
	}
	return object;
}

int report_end(struct report *report)
{
	char machine[256];
	json_t *object;
	int err;

	if (!report->json)
		return fflush(stdout) ? -errno : 0;
	machine_describe(machine, sizeof(machine));
	object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "tool", "replay", "version",
			   TDP_VERSION, "clock", twin_clock_name(), "machine", machine, "config",
			   asked_object(report->asked), "traces", report->traces);
	err = object ? json_dumpf(object, stdout, JSON_INDENT(2)) : -1;
	putchar('\n');
	json_decref(object);
	return err || fflush(stdout) ? -EIO : 0;
}
