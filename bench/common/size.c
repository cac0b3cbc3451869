/*
 * expand_number(3) and humanize_number(3) of libbsd, made strict: no sign, no blanks, nothing after
 * the number, and overflow is an error.
 */
#include "common/size.h"

#include <bsd/libutil.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool number_parse(const char *text, uint64_t *number)
{
	return text[0] && text[strspn(text, "0123456789")] == '\0' &&
	       expand_number(text, number) == 0 && *number <= INT64_MAX;
}

bool size_parse(const char *text, uint64_t *bytes)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || (text[digits] && text[digits + 1]))
		return false;
	return expand_number(text, bytes) == 0 && *bytes <= INT64_MAX;
}

const char *size_exact(uint64_t bytes, char text[SIZE_TEXT])
{
	static const char units[] = "\0KMGTPE";
	unsigned int unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units) - 1) {
		bytes /= 1024;
		unit++;
	}
	if (unit)
		snprintf(text, SIZE_TEXT, "%" PRIu64 "%c", bytes, units[unit]);
	else
		snprintf(text, SIZE_TEXT, "%" PRIu64, bytes);
	return text;
}

const char *size_about(uint64_t bytes, char text[SIZE_TEXT])
{
	if (humanize_number(text, 8, (int64_t)bytes, "", HN_AUTOSCALE,
			    HN_DECIMAL | HN_IEC_PREFIXES) < 0)
		snprintf(text, SIZE_TEXT, "%" PRIu64, bytes);
	strncat(text, "B", SIZE_TEXT - strlen(text) - 1);
	return text;
}

const char *count_about(double count, char text[SIZE_TEXT])
{
	static const char units[] = " KMGT";
	unsigned int unit = 0;

	while (count >= 1000 && unit + 1 < sizeof(units) - 1) {
		count /= 1000;
		unit++;
	}
	if (unit)
		snprintf(text, SIZE_TEXT, "%.3g %c", count, units[unit]);
	else
		snprintf(text, SIZE_TEXT, "%.0f", count);
	return text;
}

const char *time_about(uint64_t ns, char text[SIZE_TEXT])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double time = (double)ns;
	unsigned int unit = 0;

	while (time >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		time /= 1000;
		unit++;
	}
	snprintf(text, SIZE_TEXT, time < 1000 ? "%.3g %s" : "%.0f %s", time, units[unit]);
	return text;
}
