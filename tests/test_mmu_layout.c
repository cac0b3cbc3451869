/*
 * Which fields of struct mmu may share a cache line. Each fault reads the invalidation sequence,
 * the count of logged slots and the NX switch; if a lock, a list or a counter shared their line,
 * every writer of that would take the line away from every fault. Measurements with many vCPUs rely
 * on the layout, so the test checks offsets, not time.
 */
#include "support/guest.h"

#include <stddef.h>

#include "mmu/context.h"

struct extent_of {
	const char *name;
	size_t first, past;
};

#define FIELD(field)                                                                               \
	{                                                                                          \
#field, offsetof(struct mmu, field),                                               \
			offsetof(struct mmu, field) + sizeof(((struct mmu *)NULL)->field)          \
	}

static bool share_a_line(const struct extent_of *a, const struct extent_of *b)
{
	return a->first / CACHE_LINE <= (b->past - 1) / CACHE_LINE &&
	       b->first / CACHE_LINE <= (a->past - 1) / CACHE_LINE;
}

static const struct extent_of watched[] = {
	FIELD(watched.invalidation),
	FIELD(watched.logged_slots),
	FIELD(watched.nx_active),
};

static const struct extent_of written[] = {
	FIELD(lock),
	FIELD(pages),
	FIELD(vcpus),
	FIELD(tasks),
	FIELD(logging.flushes_owed),
	FIELD(gauges),
	FIELD(task_ring),
	FIELD(flush_counts),
	FIELD(checks),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void what_each_fault_reads_shares_no_line_with_what_others_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(watched); i++)
		for (size_t j = 0; j < COUNT(written); j++)
			if (share_a_line(&watched[i], &written[j]))
				fail_msg("%s and %s share a cache line", watched[i].name,
					 written[j].name);
}

static void the_immutable_fields_share_no_line_with_what_others_write(void **state)
{
	const struct extent_of immutable[] = {FIELD(host),     FIELD(memory), FIELD(policy),
					      FIELD(encoding), FIELD(limits), FIELD(check)};

	(void)state;
	for (size_t i = 0; i < COUNT(immutable); i++)
		for (size_t j = 0; j < COUNT(written); j++)
			if (share_a_line(&immutable[i], &written[j]))
				fail_msg("%s and %s share a cache line", immutable[i].name,
					 written[j].name);
}

static void the_words_that_a_fault_watches_fit_into_one_line(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct mmu_watched), CACHE_LINE);
	assert_int_equal(offsetof(struct mmu, watched) % CACHE_LINE, 0);
}

/* The vCPU's own words apart from those that flushers write and wait on. */
static void a_vcpus_mark_of_being_inside_shares_no_line_with_what_flushers_raise(void **state)
{
	size_t inside = offsetof(struct mmu_context, inside) / CACHE_LINE;

	(void)state;
	assert_int_not_equal(inside, offsetof(struct mmu_context, flush_generation) / CACHE_LINE);
	assert_int_not_equal(inside, offsetof(struct mmu_context, actor) / CACHE_LINE);
	assert_int_not_equal(offsetof(struct mmu_context, requests) / CACHE_LINE,
			     offsetof(struct mmu_context, actor) / CACHE_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_each_fault_reads_shares_no_line_with_what_others_write),
		cmocka_unit_test(the_immutable_fields_share_no_line_with_what_others_write),
		cmocka_unit_test(the_words_that_a_fault_watches_fit_into_one_line),
		cmocka_unit_test(
			a_vcpus_mark_of_being_inside_shares_no_line_with_what_flushers_raise),
	};

	return cmocka_run_group_tests_name("mmu/layout", tests, NULL, NULL);
}
