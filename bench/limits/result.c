#include "limits/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <tdpsim/version.h>

#include "common/machine.h"
#include "common/size.h"

int result_add(struct result *result, const struct line *line)
{
	double *limit = limits_member(&result->limits, line->probe->name);

	if (result->count == result->room) {
		size_t room = result->room ? 2 * result->room : 16;
		struct line *lines = reallocarray(result->lines, room, sizeof(*lines));

		if (!lines)
			return -ENOMEM;
		result->lines = lines;
		result->room = room;
	}
	result->lines[result->count++] = *line;
	if (limit)
		*limit = line->sample.median;
	return 0;
}

void result_fini(struct result *result)
{
	free(result->lines);
}

void result_print_head(const struct result *result)
{
	const struct limits_config *config = &result->options->config;
	char machine[256], guest[SIZE_TEXT], tables[SIZE_TEXT], huge[SIZE_TEXT];

	machine_describe(machine, sizeof(machine));
	printf("limits of %s\n", machine);
	printf("a guest of %s, %s of tables, %s of them in 2M pages; "
	       "ns, median (least - most) of %u\n",
	       size_exact(config->guest_bytes, guest), size_about(result->table_bytes, tables),
	       size_about(result->huge_bytes, huge), config->runs);
	fflush(stdout);
}

void result_print_line(const struct result *result)
{
	const struct line *line = &result->lines[result->count - 1];
	const struct sample *sample = &line->sample;

	if (result->count == 1 || line[-1].part != line->part)
		printf("\n%s: %s\n", line->part->name, line->part->what);
	printf("  %-26s %9.2f  (%.2f - %.2f)%*s  %s\n", line->probe->name, sample->median,
	       sample->least, sample->most,
	       22 - snprintf(NULL, 0, "(%.2f - %.2f)", sample->least, sample->most), "",
	       line->probe->what);
	fflush(stdout);
}

static json_t *line_json(const struct line *line)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f}", "part", line->part->name, "name",
			 line->probe->name, "what", line->probe->what, "unit", line->probe->unit,
			 "ns", line->sample.median, "least", line->sample.least, "most",
			 line->sample.most);
}

static json_t *lines_json(const struct result *result)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < result->count; i++) {
		if (json_array_append_new(list, line_json(&result->lines[i]))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *config_json(const struct options *options)
{
	return json_pack("{s:s?, s:b, s:I, s:s, s:I, s:s?}", "part", options->part, "quick",
			 options->quick, "guest-memory", (json_int_t)options->config.guest_bytes,
			 "tables", options->config.small_pages ? "4k" : "2m", "runs",
			 (json_int_t)options->config.runs, "pin", options->pin);
}

/* json_pack() fails if there was no memory for a member. */
static json_t *result_json(const struct result *result)
{
	char machine[256];

	machine_describe(machine, sizeof(machine));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:{s:I, s:I}, s:b}", "tool", "limits",
			 "version", TDP_VERSION, "clock", "real", "machine", machine, "config",
			 config_json(result->options), "limits", limits_json(&result->limits),
			 "probes", lines_json(result), "memory", "table_bytes",
			 (json_int_t)result->table_bytes, "huge_bytes",
			 (json_int_t)result->huge_bytes, "interrupted", result->interrupted);
}

int result_print_json(const struct result *result)
{
	json_t *object = result_json(result);
	int err = 0;

	if (!object)
		return -ENOMEM;
	errno = 0;
	if (json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) ||
	    putchar('\n') == EOF || fflush(stdout))
		err = errno ? -errno : -EIO;
	json_decref(object);
	return err;
}
