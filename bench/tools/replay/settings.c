#include "settings.h"

#include "kernel.h"

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

static const char *const format_names[] = {"npt", "ept", NULL};
static const char *const level_names[] = {"", "", "", "", "4", "5", NULL};
static const char *const switch_names[] = {"off", "on", NULL};

static const char *const *value_names(enum setting setting)
{
	switch (setting) {
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

	if (setting == SETTING_BASELINE)
		return tdp_baseline_name((enum tdp_baseline)value);
	for (int i = 0; names[i] && value >= 0; i++) {
		if (i == value)
			return names[i];
	}
	return "?";
}

/* "latest" is a name for another baseline: find that one. */
static int baseline_value(const char *text)
{
	enum tdp_baseline baseline;

	if (tdp_baseline_find(text, &baseline) ||
	    tdp_baseline_find(tdp_baseline_name(baseline), &baseline))
		return SETTING_UNKNOWN;
	return (int)baseline;
}

int setting_value(enum setting setting, const char *text)
{
	const char *const *names = value_names(setting);

	if (setting == SETTING_BASELINE)
		return baseline_value(text);
	for (int i = 0; names[i]; i++) {
		if (*text && strcmp(names[i], text) == 0)
			return i;
	}
	return SETTING_UNKNOWN;
}

/* The newest whose lines look like those of the trace. */
static int newest_baseline(const struct header *header)
{
	int newest = baseline_value("latest");
	bool exact;

	if (header->four_access == 0 && kernel_has_layout_7_2((enum tdp_baseline)newest))
		return (int)kernel_baseline(7, 1, &exact);
	return newest;
}

static int baseline_of(const struct header *header, bool *exact)
{
	if (header->major == NOT_STATED) {
		*exact = false;
		return newest_baseline(header);
	}
	return (int)kernel_baseline(header->major, header->minor, exact);
}

struct settings settings_stated(const struct header *header)
{
	bool exact;
	int baseline = baseline_of(header, &exact);

	return (struct settings){.value = {
					 [SETTING_BASELINE] = exact ? baseline : SETTING_UNKNOWN,
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

void settings_assume(struct settings *settings, const struct header *header,
		     bool assumed[SETTING_COUNT])
{
	bool exact;
	const int defaults[SETTING_COUNT] = {
		[SETTING_BASELINE] = baseline_of(header, &exact),
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
