#include "settings.h"

#include <string.h>

static const char *const setting_names[SETTING_COUNT] = {
	[SETTING_BASELINE] = "baseline",
	[SETTING_FORMAT] = "format",
	[SETTING_LEVELS] = "levels",
	[SETTING_AD] = "ad",
	[SETTING_PML] = "pml",
	[SETTING_EAGER_SPLIT] = "eager-split",
	[SETTING_NX_HUGE_PAGES] = "nx-huge-pages",
	[SETTING_MMIO_CACHING] = "mmio-caching",
};

static const char *const baseline_names[] = {"6.1", "6.12", "latest", NULL};
static const char *const format_names[] = {"npt", "ept", NULL};
static const char *const level_names[] = {"", "", "", "", "4", "5", NULL};
static const char *const switch_names[] = {"off", "on", NULL};

static const char *const *value_names(enum setting setting)
{
	switch (setting) {
	case SETTING_BASELINE:
		return baseline_names;
	case SETTING_FORMAT:
		return format_names;
	case SETTING_LEVELS:
		return level_names;
	default:
		return switch_names;
	}
}

struct settings settings_unknown(void)
{
	struct settings settings;

	for (int i = 0; i < SETTING_COUNT; i++)
		settings.value[i] = SETTING_UNKNOWN;
	return settings;
}

const char *setting_name(enum setting setting)
{
	return setting_names[setting];
}

const char *setting_value_name(enum setting setting, int value)
{
	const char *const *names = value_names(setting);

	for (int i = 0; names[i] && value >= 0; i++) {
		if (i == value)
			return names[i];
	}
	return "?";
}

int setting_value(enum setting setting, const char *text)
{
	const char *const *names = value_names(setting);

	for (int i = 0; names[i]; i++) {
		if (*text && strcmp(names[i], text) == 0)
			return i;
	}
	return SETTING_UNKNOWN;
}

/*
 * A kernel between two baselines, or newer than the newest of them, is left
 * unknown: which policies it had would be a guess, so the command line says.
 */
static int baseline_of(const struct header *header)
{
	if (header->major == 6 && header->minor == 1)
		return REPLAY_6_1;
	if (header->major == 6 && header->minor == 12)
		return REPLAY_6_12;
	return SETTING_UNKNOWN;
}

struct settings settings_stated(const struct header *header)
{
	return (struct settings){.value = {
					 [SETTING_BASELINE] = baseline_of(header),
					 [SETTING_FORMAT] = header->format,
					 [SETTING_LEVELS] = header->levels,
					 [SETTING_AD] = header->ad,
					 [SETTING_PML] = header->pml,
					 [SETTING_EAGER_SPLIT] = header->eager_split,
					 [SETTING_NX_HUGE_PAGES] = header->nx_huge_pages,
					 [SETTING_MMIO_CACHING] = header->mmio_caching,
				 }};
}

enum setting settings_join(const struct settings *stated, const struct settings *asked,
			   struct settings *joined)
{
	for (int i = 0; i < SETTING_COUNT; i++) {
		if (stated->value[i] != SETTING_UNKNOWN && asked->value[i] != SETTING_UNKNOWN &&
		    stated->value[i] != asked->value[i])
			return i;
		joined->value[i] =
			stated->value[i] != SETTING_UNKNOWN ? stated->value[i] : asked->value[i];
	}
	return SETTING_COUNT;
}

void settings_assume(struct settings *settings, bool assumed[SETTING_COUNT])
{
	static const int defaults[SETTING_COUNT] = {
		[SETTING_BASELINE] = REPLAY_LATEST,
		[SETTING_FORMAT] = 0,
		[SETTING_LEVELS] = 4,
		[SETTING_AD] = 1,
		[SETTING_PML] = 1,
		[SETTING_EAGER_SPLIT] = 1,
		[SETTING_NX_HUGE_PAGES] = 0,
		[SETTING_MMIO_CACHING] = 1,
	};

	for (int i = 0; i < SETTING_COUNT; i++) {
		assumed[i] = settings->value[i] == SETTING_UNKNOWN;
		if (assumed[i])
			settings->value[i] = defaults[i];
	}
	if (settings->value[SETTING_FORMAT] == 0 || !settings->value[SETTING_AD])
		settings->value[SETTING_PML] = 0;
}
