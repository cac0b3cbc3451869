/*
 * The policies in which kernels differ, as options: one for each policy that the
 * library describes, all of them governed by the baseline.
 */
#include <stdio.h>
#include <string.h>

#include "common/guest.h"

#define POLICIES_MOST  64
#define BASELINES_MOST 16
#define WORDS_MOST     8
#define TEXT	       96

/* A policy's option, with the texts that it points to. */
struct policy_option {
	struct word words[WORDS_MOST];
	char argument[TEXT], help[TEXT];
};

static struct policy_option options[POLICIES_MOST];
static struct parameter table[POLICIES_MOST + 1];
static struct word baseline_words[BASELINES_MOST + 2];
static char baseline_help[2 * TEXT];

static void append(char *text, size_t size, const char *separator, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", used ? separator : "", more);
}

/* The newest baseline goes by its own name, and by that of "latest". */
static struct parameter baseline_option(void)
{
	const char *newest = tdp_baseline_name(TDP_BASELINE_LATEST);
	unsigned int count = 0;
	char kernels[TEXT] = "";

	for (enum tdp_baseline b = TDP_BASELINE_LATEST + 1; tdp_baseline_name(b); b++) {
		const char *name = tdp_baseline_name(b);
		bool is_newest = strcmp(name, newest) == 0;

		baseline_words[count++] = (struct word){name, is_newest ? TDP_BASELINE_LATEST : b};
		append(kernels, sizeof(kernels), ", ", name);
	}
	baseline_words[count++] = (struct word){"latest", TDP_BASELINE_LATEST};
	snprintf(baseline_help, sizeof(baseline_help),
		 "all policies as in %s or latest, which is %s (latest)", kernels, newest);
	return (struct parameter){
		"baseline",
		0,
		"KERNEL",
		baseline_help,
		&parameter_choice,
		.offset = offsetof(struct guest_options, baseline),
		.words = baseline_words,
		.in_title = true,
	};
}

static struct parameter policy_option(struct policy_option *option,
				      const struct tdp_policy_info *info)
{
	bool titled = strcmp(info->name, "lock") == 0 || strcmp(info->name, "stats") == 0;

	for (unsigned int i = 0; info->words[i]; i++) {
		option->words[i] = (struct word){info->words[i], i + 1};
		append(option->argument, sizeof(option->argument), "|", info->words[i]);
	}
	if (info->since)
		snprintf(option->help, sizeof(option->help), "%s (%s)", info->help, info->since);
	return (struct parameter){
		info->name,
		0,
		option->argument,
		info->since ? option->help : info->help,
		&parameter_choice,
		.offset = offsetof(struct guest_options, policy) + info->offset,
		.words = option->words,
		.governor = "baseline",
		.in_title = titled,
		.alias = strcmp(info->name, "huge-fault") == 0 ? "on-fault" : NULL,
	};
}

struct parameters policy_parameters(void)
{
	const struct tdp_policy_info *info;
	unsigned int count = 0;

	memset(options, 0, sizeof(options));
	table[0] = baseline_option();
	for (; count < POLICIES_MOST && (info = tdp_policy_describe(count)); count++)
		table[count + 1] = policy_option(&options[count], info);
	return (struct parameters){"Policies (default: as the baseline has them):", table,
				   count + 1};
}
