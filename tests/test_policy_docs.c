/*
 * Documents against the library's rows of policies: the table of docs/model.md, the options of
 * faultin(1), and the values in other man pages. Where a document differs, the test prints the line
 * that it should have.
 */
#include <ctype.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/tdpsim.h>

#define LINE 512

struct document {
	char path[1024];
	FILE *file;
	char line[LINE];
	unsigned int number; /* of the line */
};

static void document_open(struct document *document, const char *path)
{
	*document = (struct document){0};
	snprintf(document->path, sizeof(document->path), "%s", path);
	document->file = fopen(path, "r");
	if (!document->file)
		fail_msg("%s cannot be read", path);
}

static void document_of_source(struct document *document, const char *name)
{
	const char *source = getenv("TDPSIM_SOURCE");
	char path[1024];

	if (!source)
		skip();
	snprintf(path, sizeof(path), "%s/%s", source, name);
	document_open(document, path);
}

static bool document_next(struct document *document)
{
	if (!fgets(document->line, sizeof(document->line), document->file))
		return false;
	document->line[strcspn(document->line, "\n")] = '\0';
	document->number++;
	return true;
}

static void expect_prefix(const struct document *document, const char *expected)
{
	if (strncmp(document->line, expected, strlen(expected)) != 0)
		fail_msg("%s, line %u is \"%s\", not \"%s\"", document->path, document->number,
			 document->line, expected);
}

static void append(char *text, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, LINE - used, "%s", more);
}

static void join_words(char *text, const char *const *words)
{
	for (unsigned int i = 0; words[i]; i++) {
		append(text, i ? " | " : "");
		append(text, words[i]);
	}
}

/* The baselines by name, as a table's or an option's words. */
static void join_baselines(char *text)
{
	for (enum tdp_baseline b = TDP_BASELINE_LATEST + 1; tdp_baseline_name(b); b++) {
		append(text, tdp_baseline_name(b));
		append(text, " | ");
	}
}

static void expected_row(char *row, unsigned int index)
{
	const struct tdp_policy_info *info = tdp_policy_describe(index);
	unsigned int value;

	snprintf(row, LINE, "| `%s` | ", info->name);
	for (enum tdp_baseline b = TDP_BASELINE_LATEST + 1; tdp_baseline_name(b); b++) {
		assert_int_equal(tdp_policy_value(index, b, &value), 0);
		append(row, info->words[value - 1]);
		append(row, " | ");
	}
	append(row, info->since ? info->since : "-");
	append(row, " | ");
}

static void the_models_table_has_every_policy_and_its_values(void **state)
{
	char expected[LINE] = "| policy | ";
	struct document model;
	unsigned int rows = 0;

	(void)state;
	document_of_source(&model, "docs/model.md");
	join_baselines(expected);
	append(expected, "since | ");
	do {
		if (!document_next(&model))
			fail_msg("%s has no table that begins with \"%s\"", model.path, expected);
	} while (strncmp(model.line, expected, strlen(expected)) != 0);
	document_next(&model); /* the rule below the head */
	for (; tdp_policy_describe(rows); rows++) {
		expected_row(expected, rows);
		assert_true(document_next(&model));
		expect_prefix(&model, expected);
	}
	if (document_next(&model))
		assert_int_not_equal(model.line[0], '|');
	fclose(model.file);
}

static void expected_sentence(char *sentence, const struct tdp_policy_info *info)
{
	snprintf(sentence, LINE, info->since ? "%s (%s)." : "%s.", info->help, info->since);
	sentence[0] = (char)toupper((unsigned char)sentence[0]);
}

/* The tag of an option: ".It Fl -NAME", maybe with another name, and then its words. */
static bool is_tag_of(const char *line, const char *name)
{
	char tag[LINE];

	snprintf(tag, sizeof(tag), ".It Fl -%s ", name);
	return strncmp(line, tag, strlen(tag)) == 0;
}

static void the_man_page_has_every_policy_in_the_rows_words(void **state)
{
	const struct tdp_policy_info *info;
	struct document page;
	char expected[LINE];
	unsigned int rows = 0;

	(void)state;
	document_of_source(&page, "docs/man/faultin.1");
	while (document_next(&page) && (info = tdp_policy_describe(rows))) {
		if (!is_tag_of(page.line, info->name))
			continue;
		expected_sentence(expected, info);
		assert_true(document_next(&page));
		expect_prefix(&page, expected);
		rows++;
	}
	info = tdp_policy_describe(rows);
	if (info)
		fail_msg("%s has no option of policy %s, or not in the rows' order", page.path,
			 info->name);
	fclose(page.file);
}

/* Fails if a tag offers other words than `expected`. */
static void check_tag(const struct document *page, const char *expected)
{
	const char *words = strstr(page->line, " Cm ");

	if (!words || strcmp(words + 4, expected) != 0)
		fail_msg("%s, line %u is \"%s\", where the words are \"%s\"", page->path,
			 page->number, page->line, expected);
}

static void check_page(const char *path)
{
	struct document page;
	char baselines[LINE] = "";

	join_baselines(baselines);
	append(baselines, "latest");
	document_open(&page, path);
	while (document_next(&page)) {
		const struct tdp_policy_info *info;

		if (is_tag_of(page.line, "baseline"))
			check_tag(&page, baselines);
		for (unsigned int i = 0; (info = tdp_policy_describe(i)); i++) {
			char words[LINE] = "";

			join_words(words, info->words);
			if (is_tag_of(page.line, info->name))
				check_tag(&page, words);
		}
	}
	fclose(page.file);
}

static void no_man_page_offers_a_value_that_there_is_not(void **state)
{
	const char *source = getenv("TDPSIM_SOURCE");
	char pattern[1024];
	glob_t pages;

	(void)state;
	if (!source)
		skip();
	snprintf(pattern, sizeof(pattern), "%s/docs/man/*.1", source);
	assert_int_equal(glob(pattern, 0, NULL, &pages), 0);
	for (size_t i = 0; i < pages.gl_pathc; i++)
		check_page(pages.gl_pathv[i]);
	globfree(&pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_models_table_has_every_policy_and_its_values),
		cmocka_unit_test(the_man_page_has_every_policy_in_the_rows_words),
		cmocka_unit_test(no_man_page_offers_a_value_that_there_is_not),
	};

	return cmocka_run_group_tests_name("policy documents", tests, NULL, NULL);
}
