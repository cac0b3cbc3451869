/*
 * Counters and gauges: nothing is lost while several write, and both ways of
 * keeping a gauge give the same sum.
 */
#include "observe/counter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "platform/actor.h"

#define ACTORS 4
#define ROUNDS 20000

static void a_counter_adds_up_what_its_owner_added(void **state)
{
	struct counter counter = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		counter_bump(&counter);
	counter_add(&counter, 24);
	assert_int_equal(counter_read(&counter), 1024);
}

static void every_counter_reaches_the_statistic_of_its_name(void **state)
{
	struct counters counters = {0};
	struct tdp_stats stats = {0};

	(void)state;
	counter_add(&counters.pf_taken, 1);
	counter_add(&counters.pf_fixed, 2);
	counter_add(&counters.pf_emulate, 3);
	counter_add(&counters.pf_spurious, 4);
	counter_add(&counters.pf_fast, 5);
	counter_add(&counters.pf_mmio_spte_created, 6);
	counter_add(&counters.tlb_flush, 7);
	counter_add(&counters.exits, 8);
	counter_add(&counters.retries, 9);
	counter_add(&counters.errors, 10);
	counter_add(&counters.tlb_hits, 11);
	counter_add(&counters.tlb_misses, 12);
	counter_add(&counters.accesses, 13);
	counters_add_to(&counters, &stats);
	counters_add_to(&counters, &stats); /* adds, as a second vCPU's would */

	assert_int_equal(stats.pf_taken, 2);
	assert_int_equal(stats.pf_fixed, 4);
	assert_int_equal(stats.pf_emulate, 6);
	assert_int_equal(stats.pf_spurious, 8);
	assert_int_equal(stats.pf_fast, 10);
	assert_int_equal(stats.pf_mmio_spte_created, 12);
	assert_int_equal(stats.tlb_flush, 14);
	assert_int_equal(stats.exits, 16);
	assert_int_equal(stats.retries, 18);
	assert_int_equal(stats.errors, 20);
	assert_int_equal(stats.tlb_hits, 22);
	assert_int_equal(stats.tlb_misses, 24);
	assert_int_equal(stats.accesses, 26);
	assert_int_equal(stats.pages_4k, 0);
	assert_int_equal(stats.tables, 0);
}

static void leaves_are_counted_under_their_level(void **state)
{
	(void)state;
	assert_int_equal(gauge_of_leaves(TDP_4K), GAUGE_PAGES_4K);
	assert_int_equal(gauge_of_leaves(TDP_2M), GAUGE_PAGES_2M);
	assert_int_equal(gauge_of_leaves(TDP_1G), GAUGE_PAGES_1G);
}

static void every_gauge_reaches_the_statistic_of_its_name(void **state)
{
	struct gauges gauges = {0};
	struct tdp_stats stats = {0};

	(void)state;
	for (unsigned int i = 0; i < GAUGES; i++)
		gauge_add(&gauges, NULL, (enum gauge)i, (int64_t)i - 2);
	gauges_add_to(&gauges, &stats);

	assert_int_equal(stats.pages_4k, -2);
	assert_int_equal(stats.pages_2m, -1);
	assert_int_equal(stats.pages_1g, 0);
	assert_int_equal(stats.nx_lpage_splits, 1);
	assert_int_equal(stats.tables, 2);
}

static void what_one_vcpu_mapped_and_another_unmapped_sums_to_zero(void **state)
{
	struct gauges gauges = {.percpu = true};
	struct gauge_deltas mapper = {0}, unmapper = {0};
	struct tdp_stats stats = {0};

	(void)state;
	gauge_add(&gauges, &mapper, GAUGE_PAGES_4K, 512);
	gauge_add(&gauges, &unmapper, GAUGE_PAGES_4K, -510);
	gauge_add(&gauges, NULL, GAUGE_PAGES_4K, -2);

	assert_int_equal(tally_read(&gauges.word[GAUGE_PAGES_4K]), (uint64_t)-2);
	gauges_add_to(&gauges, &stats);
	gauge_deltas_add_to(&mapper, &stats);
	gauge_deltas_add_to(&unmapper, &stats);
	assert_int_equal(stats.pages_4k, 0);
}

static void a_shared_gauge_leaves_the_deltas_alone(void **state)
{
	struct gauges gauges = {0};
	struct gauge_deltas mine = {0};
	struct tdp_stats stats = {0};

	(void)state;
	gauge_add(&gauges, &mine, GAUGE_TABLES, 3);
	gauge_deltas_add_to(&mine, &stats);
	assert_int_equal(stats.tables, 0);
	gauges_add_to(&gauges, &stats);
	assert_int_equal(stats.tables, 3);
}

struct crowd {
	struct gauges gauges;
	struct tally tally;
};

static int change_together(struct actor *actor)
{
	struct crowd *crowd = actor->arg;

	for (int i = 0; i < ROUNDS; i++) {
		tally_add(&crowd->tally, 1);
		gauge_add(&crowd->gauges, NULL, GAUGE_PAGES_2M, 2);
		gauge_add(&crowd->gauges, NULL, GAUGE_PAGES_2M, -1);
	}
	return 0;
}

static void concurrent_changes_of_a_shared_word_are_all_counted(void **state)
{
	struct crowd crowd = {0};
	struct actor actors[ACTORS];
	struct tdp_stats stats = {0};

	(void)state;
	for (int i = 0; i < ACTORS; i++)
		actors[i] = (struct actor){
			.name = "counter", .body = change_together, .arg = &crowd, .cpu = -1};
	assert_int_equal(actor_run_all(actors, ACTORS), 0);

	gauges_add_to(&crowd.gauges, &stats);
	assert_int_equal(stats.pages_2m, ACTORS * ROUNDS);
	assert_int_equal(tally_read(&crowd.tally), ACTORS * ROUNDS);
}

static void words_that_many_write_lie_on_lines_of_their_own(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct tally), CACHE_LINE);
	assert_int_equal(sizeof(struct counters) % CACHE_LINE, 0);
	assert_int_equal(sizeof(struct gauge_deltas) % CACHE_LINE, 0);
	assert_true(offsetof(struct gauges, word) >= CACHE_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_adds_up_what_its_owner_added),
		cmocka_unit_test(every_counter_reaches_the_statistic_of_its_name),
		cmocka_unit_test(leaves_are_counted_under_their_level),
		cmocka_unit_test(every_gauge_reaches_the_statistic_of_its_name),
		cmocka_unit_test(what_one_vcpu_mapped_and_another_unmapped_sums_to_zero),
		cmocka_unit_test(a_shared_gauge_leaves_the_deltas_alone),
		cmocka_unit_test(concurrent_changes_of_a_shared_word_are_all_counted),
		cmocka_unit_test(words_that_many_write_lie_on_lines_of_their_own),
	};

	return cmocka_run_group_tests_name("observe/counter", tests, NULL, NULL);
}
