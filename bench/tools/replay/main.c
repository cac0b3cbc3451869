/*
 * replay: drives the simulator with the inputs of traces of a real KVM and compares what
 * its MMU does with what KVM did, line by line and field by field.
 *
 * Exit status: 0 all agree; 1 a difference or a violation; 2 bad usage, or a file that is no
 * complete trace; 3 an event needs a feature that is missing (everything before it agrees);
 * 130 interrupted, after the traces that were done.
 */
#include "drive.h"
#include "report.h"
#include "trace/read.h"

#include "common/interrupt.h"
#include "common/status.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdpsim/version.h>

#define OPTION_SETTING 256 /* + enum setting */
#define OPTION_JSON    512
#define OPTION_CHECK   513

struct arguments {
	struct settings asked;
	bool json, check;
	char **files;
	int file_count;
};

static const struct argp_option options[] = {
	{"baseline", OPTION_SETTING + SETTING_BASELINE, "KERNEL", 0,
	 "Whose choices the MMU makes: 5.13, 5.14, 6.1, 6.12, 6.16, 6.18, 7.2 or latest", 1},
	{"format", OPTION_SETTING + SETTING_FORMAT, "FORMAT", 0, "npt or ept", 1},
	{"levels", OPTION_SETTING + SETTING_LEVELS, "N", 0, "Depth of the tables: 4 or 5", 1},
	{"ad", OPTION_SETTING + SETTING_AD, "on|off", 0, "Accessed and dirty flags (EPT)", 1},
	{"pml", OPTION_SETTING + SETTING_PML, "on|off", 0, "Page-modification logging (EPT)", 1},
	{"eager-split", OPTION_SETTING + SETTING_EAGER_SPLIT, "on|off", 0,
	 "Split huge pages when dirty logging starts", 1},
	{"nx-huge-pages", OPTION_SETTING + SETTING_NX_HUGE_PAGES, "on|off", 0,
	 "Huge pages are not executable", 1},
	{"mmio-caching", OPTION_SETTING + SETTING_MMIO_CACHING, "on|off", 0,
	 "Keep entries for pages without a slot", 1},
	{"check", OPTION_CHECK, NULL, 0,
	 "Run the checker over the simulator's tables where the trace ends", 2},
	{"json", OPTION_JSON, NULL, 0, "Print one JSON object", 2},
	{0},
};

static const char documentation[] =
	"Replay traces of a real KVM on the simulator and compare line by line.\v"
	"FILE is the text of a trace, the same as .xz, or a trace.dat of trace-cmd; - is "
	"standard input. What a trace's own first lines say of its kernel and machine wins: "
	"an option that contradicts it is refused. For what neither says a default is "
	"assumed and printed.";

static error_t set_option(struct arguments *arguments, enum setting setting, const char *text,
			  struct argp_state *state)
{
	int value = setting_value(setting, text);

	if (value == SETTING_UNKNOWN)
		argp_error(state, "--%s: there is no value '%s'", setting_name(setting), text);
	arguments->asked.value[setting] = value;
	return 0;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	if (key >= OPTION_SETTING && key < OPTION_SETTING + SETTING_COUNT)
		return set_option(arguments, key - OPTION_SETTING, text, state);
	switch (key) {
	case OPTION_JSON:
		arguments->json = true;
		return 0;
	case OPTION_CHECK:
		arguments->check = true;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->files = state->argv + state->next;
		arguments->file_count = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which trace?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool says_what_to_drive(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		if (trace->events[i].kind == EVENT_PHASE &&
		    trace->events[i].u.phase.kind == PHASE_CREATE)
			return true;
	}
	return false;
}

/* Joins what the trace states with what was asked for. */
static int choose_settings(const struct trace *trace, const struct settings *asked,
			   struct settings *settings, struct problem *problem)
{
	struct settings stated = settings_stated(&trace->header);
	enum setting wrong = settings_join(&stated, asked, settings);

	if (wrong != SETTING_COUNT)
		return problem_state(
			problem, -1, "%s: the trace says %s %s, which contradicts --%s %s",
			trace->path, setting_name(wrong),
			setting_value_name(wrong, stated.value[wrong]), setting_name(wrong),
			setting_value_name(wrong, asked->value[wrong]));
	if (!says_what_to_drive(trace))
		return problem_state(problem, -1,
				     "%s: line %u: no line of this trace says what a guest did "
				     "(PHASE, ACC, HOST markers): there is nothing to drive",
				     trace->path, trace->line_count);
	return 0;
}

static int replay_trace(const struct trace *trace, const struct arguments *arguments,
			struct report *report)
{
	static const int statuses[] = {[ENDING_AGREES] = STATUS_DONE,
				       [ENDING_STOPPED] = STATUS_MISSING,
				       [ENDING_DIFFERS] = STATUS_FAILED,
				       [ENDING_FAILED] = STATUS_FAILED};
	bool assumed[SETTING_COUNT];
	struct settings settings;
	struct problem problem;
	struct replay replay;
	int status;

	if (choose_settings(trace, &arguments->asked, &settings, &problem)) {
		report_problem(report, trace->path, &problem);
		return STATUS_USAGE;
	}
	settings_assume(&settings, &trace->header, assumed);
	drive_trace(&replay, trace, &settings, arguments->check);
	report_replay(report, &replay, assumed);
	status = statuses[replay.ending];
	replay_free(&replay);
	return status;
}

static int replay_file(const char *path, const struct arguments *arguments, struct report *report)
{
	struct problem problem = {{0}};
	struct trace trace;
	int status;

	if (trace_read(path, &trace, &problem)) {
		report_problem(report, path, &problem);
		return STATUS_USAGE;
	}
	status = replay_trace(&trace, arguments, report);
	trace_free(&trace);
	return status;
}

/* Of several traces the gravest outcome counts: bad input, then a difference, then a stop. */
static int graver(int a, int b)
{
	static const int order[] = {STATUS_DONE, STATUS_MISSING, STATUS_FAILED, STATUS_USAGE};
	int result = STATUS_DONE;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (order[i] == a || order[i] == b)
			result = order[i];
	}
	return result;
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "replay (tdpsim) %s\n", TDP_VERSION);
}

static int replay_files(const struct arguments *arguments, const struct tdp_flag *interrupted)
{
	struct report report;
	int status = STATUS_DONE;

	if (report_begin(&report, arguments->json, &arguments->asked))
		return STATUS_FAILED;
	for (int i = 0; i < arguments->file_count && !tdp_flag_raised(interrupted); i++)
		status = graver(status, replay_file(arguments->files[i], arguments, &report));
	if (report_end(&report))
		status = graver(status, STATUS_FAILED);
	return tdp_flag_raised(interrupted) ? STATUS_INTERRUPTED : status;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
					 .parser = parse_option,
					 .args_doc = "FILE...",
					 .doc = documentation};
	struct arguments arguments = {.asked = settings_unknown()};
	struct tdp_flag *interrupted;
	int status;

	argp_program_version_hook = print_version;
	argp_err_exit_status = STATUS_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (tdp_flag_create(&interrupted)) {
		complain("no memory");
		return STATUS_FAILED;
	}
	interrupt_catch(interrupted);
	status = replay_files(&arguments, interrupted);
	interrupt_release();
	tdp_flag_destroy(interrupted);
	return status;
}
