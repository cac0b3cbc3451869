#include "common/parameter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/size.h"

/* Choices. An enum without negative values is an unsigned int to gcc and clang. */

static bool choice_parse(const struct parameter *parameter, const char *text, void *value)
{
	for (const struct word *word = parameter->words; word->name; word++) {
		if (strcmp(word->name, text) == 0) {
			memcpy(value, &word->value, sizeof(word->value));
			return true;
		}
	}
	return false;
}

static const char *choice_name(const struct parameter *parameter, const void *value)
{
	unsigned int chosen;

	memcpy(&chosen, value, sizeof(chosen));
	for (const struct word *word = parameter->words; word->name; word++)
		if (word->value == chosen)
			return word->name;
	return NULL;
}

static json_t *choice_json(const struct parameter *parameter, const void *value)
{
	const char *name = choice_name(parameter, value);

	return name ? json_string(name) : json_null();
}

static void choice_expect(const struct parameter *parameter, char *text, size_t size)
{
	size_t used = 0;

	for (const struct word *word = parameter->words; word->name; word++) {
		const char *before = word == parameter->words ? "" : word[1].name ? ", " : " or ";
		int length = snprintf(text + used, size - used, "%s%s", before, word->name);

		if (length < 0 || (size_t)length >= size - used)
			return;
		used += (size_t)length;
	}
}

const struct parameter_type parameter_choice = {choice_parse, choice_json, choice_expect};

/* Numbers */

static bool in_range(const struct parameter *parameter, uint64_t number)
{
	return number >= parameter->least && number <= parameter->most;
}

static bool number_read(const struct parameter *parameter, const char *text, void *value)
{
	uint64_t number;

	if (!number_parse(text, &number) || !in_range(parameter, number))
		return false;
	memcpy(value, &number, sizeof(number));
	return true;
}

static json_t *number_json(const struct parameter *parameter, const void *value)
{
	uint64_t number;

	(void)parameter;
	memcpy(&number, value, sizeof(number));
	return json_integer((json_int_t)number);
}

static void number_expect(const struct parameter *parameter, char *text, size_t size)
{
	snprintf(text, size, "a number from %" PRIu64 " to %" PRIu64, parameter->least,
		 parameter->most);
}

static bool count_read(const struct parameter *parameter, const char *text, void *value)
{
	unsigned int count;
	uint64_t number;

	if (!number_read(parameter, text, &number))
		return false;
	count = (unsigned int)number;
	memcpy(value, &count, sizeof(count));
	return true;
}

static json_t *count_json(const struct parameter *parameter, const void *value)
{
	unsigned int count;

	(void)parameter;
	memcpy(&count, value, sizeof(count));
	return json_integer(count);
}

static bool size_read(const struct parameter *parameter, const char *text, void *value)
{
	uint64_t bytes;

	if (!size_parse(text, &bytes) || !in_range(parameter, bytes))
		return false;
	memcpy(value, &bytes, sizeof(bytes));
	return true;
}

static void size_expect(const struct parameter *parameter, char *text, size_t size)
{
	char least[SIZE_TEXT], most[SIZE_TEXT];

	snprintf(text, size, "a size from %s to %s (with K, M, G or T)",
		 size_exact(parameter->least, least), size_exact(parameter->most, most));
}

const struct parameter_type parameter_number = {number_read, number_json, number_expect};
const struct parameter_type parameter_count = {count_read, count_json, number_expect};
const struct parameter_type parameter_size = {size_read, number_json, size_expect};

/* Flags: true if given. --config and --vary say "true" or "false". */

static bool flag_read(const struct parameter *parameter, const char *text, void *value)
{
	bool on = strcmp(text, "true") == 0 || strcmp(text, "on") == 0;

	(void)parameter;
	if (!on && strcmp(text, "false") != 0 && strcmp(text, "off") != 0)
		return false;
	memcpy(value, &on, sizeof(on));
	return true;
}

static json_t *flag_json(const struct parameter *parameter, const void *value)
{
	bool on;

	(void)parameter;
	memcpy(&on, value, sizeof(on));
	return json_boolean(on);
}

static void flag_expect(const struct parameter *parameter, char *text, size_t size)
{
	(void)parameter;
	snprintf(text, size, "true or false");
}

const struct parameter_type parameter_flag = {flag_read, flag_json, flag_expect};

/* Texts */

static bool text_read(const struct parameter *parameter, const char *text, void *value)
{
	(void)parameter;
	memcpy(value, &text, sizeof(text));
	return true;
}

static json_t *text_json(const struct parameter *parameter, const void *value)
{
	const char *text;

	(void)parameter;
	memcpy(&text, value, sizeof(text));
	return text ? json_string(text) : json_null();
}

static void text_expect(const struct parameter *parameter, char *text, size_t size)
{
	(void)parameter;
	snprintf(text, size, "a text");
}

const struct parameter_type parameter_text = {text_read, text_json, text_expect};

/* Lists of CPUs: numbers and ranges, in the order in which they are used. */

#define CPU_MOST 65535UL

static bool cpu_number(const char **at, unsigned long *number)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	*number = strtoul(*at, &end, 10);
	*at = end;
	return *number <= CPU_MOST;
}

/* One element of the list and the comma after it. */
static bool cpu_range(const char **at, unsigned long *first, unsigned long *last)
{
	if (!cpu_number(at, first))
		return false;
	*last = *first;
	if (**at == '-') {
		++*at;
		if (!cpu_number(at, last) || *last < *first)
			return false;
	}
	if (**at == ',')
		return *++*at != '\0';
	return **at == '\0';
}

static bool cpus_read(const struct parameter *parameter, const char *text, void *value)
{
	const char *at = text;
	unsigned long first, last;

	do {
		if (!cpu_range(&at, &first, &last))
			return false;
	} while (*at);
	return text_read(parameter, text, value);
}

static void cpus_expect(const struct parameter *parameter, char *text, size_t size)
{
	(void)parameter;
	snprintf(text, size, "a list of CPUs such as 0,2,4-7");
}

const struct parameter_type parameter_cpus = {cpus_read, text_json, cpus_expect};

unsigned int cpu_list_at(const char *list, unsigned int i)
{
	unsigned long first = 0, last = 0, left = i;
	const char *at = list;

	for (;;) {
		if (*at == '\0')
			at = list;
		if (!cpu_range(&at, &first, &last))
			return 0;
		if (left <= last - first)
			return (unsigned int)(first + left);
		left -= last - first + 1;
	}
}

bool parameter_set(const struct parameter *parameter, void *options, const char *text, char *why,
		   size_t size)
{
	char expected[512] = "";

	if (parameter->type->parse(parameter, text, (char *)options + parameter->offset))
		return true;
	parameter->type->expect(parameter, expected, sizeof(expected));
	snprintf(why, size, "--%s '%s': expected %s", parameter->name, text, expected);
	return false;
}

json_t *parameter_get(const struct parameter *parameter, const void *options)
{
	return parameter->type->json(parameter, (const char *)options + parameter->offset);
}

const char *parameter_word(const struct parameter *parameter, const void *options)
{
	const char *name = choice_name(parameter, (const char *)options + parameter->offset);

	return name ? name : "?";
}
