/*
 * The dumps, read back as text: what is printed for one translation and for a
 * tree, what is folded, and that neither changes an entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/raw_tables.h"

static const struct tdp_walk_config ept = {.format = TDP_EPT, .ad = true};
static const struct tdp_walk_config npt = {.format = TDP_NPT, .host_nxe = true};

struct text {
	char *bytes;
	size_t size;
	FILE *out;
};

/* The stream keeps the addresses of the fields, so the struct must stay where it is. */
static void text_open(struct text *text)
{
	text->out = open_memstream(&text->bytes, &text->size);
	assert_non_null(text->out);
}

static unsigned int line_count(const struct text *text)
{
	unsigned int count = 0;

	for (size_t i = 0; i < text->size; i++)
		count += text->bytes[i] == '\n';
	return count;
}

static void text_close(struct text *text)
{
	fclose(text->out);
	free(text->bytes);
}

static void expect_line(const struct text *text, const char *line)
{
	if (!strstr(text->bytes, line))
		fail_msg("no \"%s\" in:\n%s", line, text->bytes);
}

static void dump_walk(struct raw *raw, uint64_t gpa, struct text *text)
{
	text_open(text);
	assert_int_equal(tdp_dump_walk(raw->host, &raw->config, raw->root, gpa, text->out), 0);
}

static void dump_tables(struct raw *raw, unsigned int max_lines, struct text *text)
{
	text_open(text);
	assert_int_equal(tdp_dump_tables(raw->host, &raw->config, raw->root, max_lines, text->out),
			 0);
}

static void a_walk_is_a_line_for_each_entry_and_one_for_its_end(void **state)
{
	struct raw *raw = *state;
	char wanted[80];
	struct text text;

	raw_build(raw, &ept, 1);
	dump_walk(raw, raw->data, &text);
	assert_int_equal(line_count(&text), 1 + 4 + 1);
	expect_line(&text, "under ept root");
	snprintf(wanted, sizeof(wanted), "level 4  table %#llx[1] = 0x",
		 (unsigned long long)raw->root.n);
	expect_line(&text, wanted);
	expect_line(&text, "rwx WB\n");
	snprintf(wanted, sizeof(wanted), "=> done: pfn %#llx, level 1, writable, executable\n",
		 (unsigned long long)raw->buffer.n);
	expect_line(&text, wanted);
	assert_int_equal(*raw_data_entry(raw, 1) & (EPT_A | EPT_D), 0);
	text_close(&text);
}

static void a_walk_that_is_refused_shows_where_and_why(void **state)
{
	struct raw *raw = *state;
	struct text text;

	raw_build(raw, &ept, 1);
	*raw_data_entry(raw, 2) &= ~EPT_RIGHTS;
	dump_walk(raw, raw->data, &text);
	assert_int_equal(line_count(&text), 1 + 3 + 1);
	expect_line(&text, "level 2 ");
	expect_line(&text, "not present\n");
	expect_line(&text, "=> EPT violation: code 0x181\n");
	text_close(&text);
	raw_build(raw, &npt, 2);
	*raw_data_entry(raw, 2) |= BIT(13);
	dump_walk(raw, raw->data, &text);
	expect_line(&text, "MISCONFIGURED\n");
	expect_line(&text, "=> nested page fault, reserved bit: code 0x10000000d\n");
	text_close(&text);
	dump_walk(raw, BIT(60), &text);
	assert_int_equal(line_count(&text), 2);
	text_close(&text);
}

static void neighbouring_leaves_of_neighbouring_frames_are_one_line(void **state)
{
	struct raw *raw = *state;
	uint64_t base = raw->buffer.n;
	struct text text;

	raw_build(raw, &npt, 1);
	for (uint64_t i = 1; i < 512; i++)
		raw_map(raw, raw->data + i * TDP_PAGE_SIZE, 1, base + i);
	dump_tables(raw, 0, &text);
	assert_int_equal(line_count(&text), 1 + 3 + 1);
	expect_line(&text, "      [0x8000000, 0x8000200) 4K ");
	text_close(&text);
	/* Another right, another frame, a hole: each begins a line. */
	*raw_entry(raw, raw->data + 100 * TDP_PAGE_SIZE, 1) &= ~NPT_W;
	*raw_entry(raw, raw->data + 200 * TDP_PAGE_SIZE, 1) += TDP_PAGE_SIZE;
	*raw_entry(raw, raw->data + 300 * TDP_PAGE_SIZE, 1) = 0;
	dump_tables(raw, 0, &text);
	assert_int_equal(line_count(&text), 1 + 3 + 6);
	expect_line(&text, "[0x8000000, 0x8000064) 4K ");
	expect_line(&text, "[0x8000064, 0x8000065) 4K ");
	expect_line(&text, "r-x user\n");
	text_close(&text);
}

static void a_tree_shows_each_size_and_what_is_not_present(void **state)
{
	struct raw *raw = *state;
	struct text text;

	raw_build(raw, &ept, 3);
	raw_map(raw, 0, 2, raw->buffer.n);
	*raw_entry(raw, BIT(21), 2) = 0x80000000000005a0;
	*raw_entry(raw, BIT(22), 2) = BIT(63); /* the value that fills an empty table */
	dump_tables(raw, 0, &text);
	expect_line(&text, "    [0, 0x200) 2M ");
	expect_line(&text, "[0x200, 0x400) not present 0x80000000000005a0\n");
	expect_line(&text, "  [0x8000000, 0x8040000) 1G ");
	assert_int_equal(line_count(&text), 1 + 2 + 2 + 2);
	text_close(&text);
}

static void a_dump_ends_where_it_is_told_to(void **state)
{
	struct raw *raw = *state;
	struct text text;

	raw_build(raw, &ept, 1);
	for (uint64_t i = 0; i < 40; i += 2)
		raw_map(raw, raw->data + i * TDP_PAGE_SIZE, 1, raw->buffer.n + i);
	dump_tables(raw, 10, &text);
	assert_int_equal(line_count(&text), 1 + 10 + 1);
	expect_line(&text, "... (the tree goes on)\n");
	text_close(&text);
	dump_tables(raw, 23, &text);
	assert_null(strstr(text.bytes, "goes on"));
	text_close(&text);
}

static void a_table_outside_the_host_is_named_and_not_read(void **state)
{
	struct raw *raw = *state;
	struct text text;

	raw_build(raw, &npt, 1);
	*raw_data_entry(raw, 3) |= 0x000ffffffffff000ULL;
	dump_tables(raw, 0, &text);
	expect_line(&text, "is outside the host's memory\n");
	text_close(&text);
	dump_walk(raw, raw->data, &text);
	expect_line(&text, "=> points outside the host's memory\n");
	text_close(&text);
	/* The gap between the host's tables and its data is mapped, yet no frame of it. */
	*raw_data_entry(raw, 3) = raw_rights(raw) | (tdp_host_carveout(raw->host).n - 1)
							    << TDP_PAGE_SHIFT;
	dump_tables(raw, 0, &text);
	expect_line(&text, "is outside the host's memory\n");
	text_close(&text);
}

static void a_config_out_of_range_is_refused(void **state)
{
	struct tdp_walk_config config = {.levels = 9};
	struct raw *raw = *state;

	assert_true(tdp_dump_walk(raw->host, &config, raw->root, 0, stdout) < 0);
	assert_true(tdp_dump_tables(raw->host, &config, raw->root, 0, stdout) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_is_a_line_for_each_entry_and_one_for_its_end),
		cmocka_unit_test(a_walk_that_is_refused_shows_where_and_why),
		cmocka_unit_test(neighbouring_leaves_of_neighbouring_frames_are_one_line),
		cmocka_unit_test(a_tree_shows_each_size_and_what_is_not_present),
		cmocka_unit_test(a_dump_ends_where_it_is_told_to),
		cmocka_unit_test(a_table_outside_the_host_is_named_and_not_read),
		cmocka_unit_test(a_config_out_of_range_is_refused),
	};

	return cmocka_run_group_tests_name("paging/dump", tests, raw_setup, raw_teardown);
}
