/*
 * Huge leaves: which level a fault chooses, and what becomes of a huge leaf when a
 * smaller one is due. The scripted backing's level drops or rises at will, as the
 * host's own mapping does.
 */
#include "support/guest.h"

#define AT 0x40000ULL /* where the slots lie: aligned to 1G */

/* The level */

static void a_leaf_is_as_large_as_the_host_maps_the_page(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, AT, 3 << 18, 0);
	for (enum tdp_level level = TDP_4K; level <= TDP_1G; level++) {
		uint64_t gfn = AT + (level - 1) * tdp_level_pages(TDP_1G) + 0x345;

		guest->script.level = level;
		guest_touch(guest, gfn, TDP_WRITE);
		assert_int_equal(guest_level(guest, gfn), level);
		assert_int_equal(guest_walk(guest, gfn, TDP_READ).pfn.n,
				 tdp_host_carveout(guest->host).n + (gfn - AT));
	}
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	assert_int_equal(guest_stats(guest).pages_2m, 1);
	assert_int_equal(guest_stats(guest).pages_1g, 1);
}

static void an_answer_of_no_level_counts_as_4k(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, AT, 512, 0);
	guest->script.level = TDP_NOT_MAPPED;
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
}

static void a_backing_that_promises_small_pages_is_not_asked(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest->script.backing.max_level = TDP_2M;
	guest->script.level = TDP_1G;
	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
}

static void hardware_without_1g_leaves_gets_2m_ones(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .vm.max_level = TDP_2M);

	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest->script.level = TDP_1G;
	guest_touch(guest, AT + 5, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 5), TDP_2M);
}

static void hardware_without_2m_leaves_gets_4k_ones(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .vm.max_level = TDP_4K);

	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest->script.level = TDP_1G;
	guest_touch(guest, AT + 5, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 5), TDP_4K);
}

static void a_huge_leaf_never_sticks_out_of_its_slot(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	/* Five pages into a 2M region, and ending five pages into another. */
	guest->script.level = TDP_2M;
	guest_slot(guest, 1, AT + 5, 1024, 5);
	guest_touch(guest, AT + 5, TDP_WRITE);
	guest_touch(guest, AT + 511, TDP_WRITE);
	guest_touch(guest, AT + 700, TDP_WRITE);
	guest_touch(guest, AT + 1028, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 5), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 511), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 700), TDP_2M);
	assert_int_equal(guest_level(guest, AT + 1028), TDP_4K);
}

static void addresses_that_are_not_congruent_get_4k_leaves(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest->script.level = TDP_1G;
	guest_slot(guest, 1, AT, 2 << 18, 5);
	guest_touch(guest, AT + 512, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 512), TDP_4K);
	/* Congruent by 2M, not by 1G. */
	guest_slot(guest, 2, 8 * AT, 2 << 18, 512);
	guest_touch(guest, 8 * AT + 512, TDP_WRITE);
	assert_int_equal(guest_level(guest, 8 * AT + 512), TDP_2M);
}

static void a_read_fault_maps_as_large_as_a_write_fault(void **state)
{
	struct guest *guest = guest_make(state, .page = TDP_2M);

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT + 5, TDP_READ);
	guest_touch(guest, AT + 600, TDP_FETCH);
	assert_int_equal(guest_level(guest, AT + 5), TDP_2M);
	assert_int_equal(guest_level(guest, AT + 600), TDP_2M);
	assert_true(guest_writable(guest, AT + 5));
}

/* Splitting. A write-protected huge leaf is what makes the next fault smaller. */

static struct guest *with_huge_leaf(void **state, enum tdp_level level,
				    const struct guest_config *config)
{
	struct guest *guest = guest_make_as(state, config);

	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest->script.level = level;
	guest_touch(guest, AT + 600, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 600), level);
	guest->script.level = TDP_4K;
	guest_forget(guest);
	return guest;
}

/* A fault that the tables no longer need: as after a race. It asks for gfn by 4K. */
static enum tdp_fault_result refault(struct guest *guest, uint64_t gfn)
{
	struct tdp_fault fault = {.gpa = gfn << TDP_PAGE_SHIFT, .error_code = 0x100000006};
	enum tdp_fault_result result;

	if (guest->config.vm.format == TDP_EPT)
		fault.error_code = 0x182;
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	return result;
}

static void a_2m_leaf_splits_into_512_that_map_the_same(void **state)
{
	struct guest *guest =
		with_huge_leaf(state, TDP_2M, &(struct guest_config){.scripted = true});
	struct tdp_walk_result before[512];
	struct tdp_stats stats;

	for (unsigned int i = 0; i < 512; i++)
		before[i] = guest_walk(guest, AT + 512 + i, TDP_WRITE);
	assert_int_equal(refault(guest, AT + 600), TDP_FAULT_SPURIOUS);
	for (unsigned int i = 0; i < 512; i++) {
		struct tdp_walk_result after = guest_walk(guest, AT + 512 + i, TDP_WRITE);

		assert_int_equal(after.outcome, TDP_WALK_DONE);
		assert_int_equal(after.level, TDP_4K);
		assert_int_equal(after.pfn.n, before[i].pfn.n);
		assert_int_equal(after.rights, before[i].rights);
		assert_int_equal(after.dirty, before[i].dirty);
	}
	stats = guest_stats(guest);
	assert_int_equal(stats.pages_4k, 512);
	assert_int_equal(stats.pages_2m, 0);
	assert_int_equal(stats.tables, 3);
	assert_int_equal(stats.remote_tlb_flush_requests, 0);
}

static void the_order_of_a_split_ends_with_its_event(void **state)
{
	struct guest *guest = with_huge_leaf(
		state, TDP_2M,
		&(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_12});
	const struct tdp_trace_event *split;

	refault(guest, AT + 600);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_GET_PAGE,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPLIT_HUGE_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	split = guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0);
	assert_int_equal(split->split.gfn, AT + 512);
	assert_int_equal(split->split.level, TDP_2M);
	assert_int_equal(split->split.error, 0);
	assert_int_equal(split->split.entry,
			 guest_event(guest, TDP_TRACE_SPTE_CHANGED, 0)->spte_changed.old_entry);
	/* Until 6.12 the child's leaf is written anew, clean. */
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 1)->spte_changed.level, 1);
}

static void a_1g_leaf_splits_along_the_way_to_the_page(void **state)
{
	struct guest *guest =
		with_huge_leaf(state, TDP_1G, &(struct guest_config){.scripted = true});
	uint64_t base = tdp_host_carveout(guest->host).n;
	struct tdp_stats stats;

	refault(guest, AT + 600);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPLIT_HUGE_PAGE), 2);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0)->split.level, TDP_1G);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 1)->split.level, TDP_2M);
	stats = guest_stats(guest);
	assert_int_equal(stats.pages_1g, 0);
	assert_int_equal(stats.pages_2m, 511);
	assert_int_equal(stats.pages_4k, 512);
	for (uint64_t gfn = 0; gfn < 1 << 18; gfn += 509) {
		struct tdp_walk_result walk = guest_walk(guest, AT + gfn, TDP_WRITE);

		assert_int_equal(walk.outcome, TDP_WALK_DONE);
		assert_int_equal(walk.pfn.n, base + gfn);
		assert_int_equal(walk.level, gfn / 512 == 1 ? TDP_4K : TDP_2M);
	}
}

static void split_percpu_counters_come_to_the_same(void **state)
{
	struct guest *guest = with_huge_leaf(
		state, TDP_1G,
		&(struct guest_config){.scripted = true, .policy.stats = TDP_STATS_PERCPU});

	refault(guest, AT + 600);
	assert_int_equal(guest_stats(guest).pages_2m, 511);
	assert_int_equal(guest_stats(guest).pages_4k, 512);
	guest_discard(guest, 0, 1 << 18);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

/* Zapping instead: until 6.1. */

static void until_6_1_the_huge_leaf_was_zapped_and_its_rest_lost(void **state)
{
	struct guest *guest = with_huge_leaf(
		state, TDP_2M,
		&(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_1});

	assert_int_equal(refault(guest, AT + 600), TDP_FAULT_FIXED);
	/* As 6.1.192 does it: the leaf becomes 5a0, then the flush, then the table. */
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_FLUSH, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 0)->spte_changed.new_entry,
			 0x5a0);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 1)->spte_changed.old_entry, 0);
	assert_int_equal(guest_level(guest, AT + 600), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 601), TDP_NOT_MAPPED);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void flushing_first_shows_no_frozen_entry(void **state)
{
	struct guest *guest = with_huge_leaf(
		state, TDP_2M,
		&(struct guest_config){.scripted = true, .policy.huge_fault = TDP_HUGE_FAULT_ZAP});

	refault(guest, AT + 600);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_FLUSH,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_GET_PAGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 0)->spte_changed.new_entry,
			 guest_nonpresent(guest));
	assert_int_equal(guest_event(guest, TDP_TRACE_FLUSH, 0)->flush.gfn, AT + 512);
	assert_int_equal(guest_event(guest, TDP_TRACE_FLUSH, 0)->flush.pages, 512);
}

static void what_was_lost_faults_in_again_page_by_page(void **state)
{
	struct guest *guest = with_huge_leaf(
		state, TDP_2M,
		&(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_1});

	refault(guest, AT + 600);
	assert_int_equal(guest_touch(guest, AT + 600, TDP_WRITE), 0);
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(guest_touch(guest, AT + 512 + i, TDP_WRITE), i == 88 ? 0 : 1);
	assert_int_equal(guest_stats(guest).pages_4k, 512);
}

/* The reverse: a huge leaf replaces a table. */

static void a_huge_leaf_replaces_a_table_and_flushes_before_it_is_seen(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t nonpresent, frozen;

	guest_slot(guest, 1, AT, 1 << 18, 0);
	for (unsigned int i = 0; i < 5; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	guest->script.level = TDP_2M;
	guest_forget(guest);
	nonpresent = guest_nonpresent(guest);
	frozen = guest_frozen(guest);

	assert_int_equal(guest_touch(guest, AT + 7, TDP_READ), 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_int_equal(guest_count(guest, TDP_TRACE_PREPARE_ZAP_PAGE), 1);
	/* Under the shared lock every entry of the table is frozen, the empty ones too. */
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 513);
	assert_int_equal(guest_changes(guest, 1, nonpresent, frozen), 507);
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(guest->events[4 + i].spte_changed.gfn, AT + i);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 1);
	assert_int_equal(guest->events[2].kind, TDP_TRACE_SPTE_CHANGED);
	assert_int_equal(guest->events[3].kind, TDP_TRACE_PREPARE_ZAP_PAGE);
	assert_int_equal(guest->events[516].kind, TDP_TRACE_FLUSH);
	assert_int_equal(guest->events[516].flush.gfn, AT);
	assert_int_equal(guest->events[516].flush.pages, 512);
	assert_int_equal(guest->events[517].kind, TDP_TRACE_SET_SPTE);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).pages_2m, 1);
	assert_int_equal(guest_stats(guest).tables, 2);
}

static void a_1g_leaf_replaces_a_whole_subtree(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 512, TDP_WRITE);
	guest->script.level = TDP_2M;
	guest_touch(guest, AT + 1024, TDP_WRITE);
	guest->script.level = TDP_1G;
	guest_forget(guest);
	guest_touch(guest, AT + 5000, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT), TDP_1G);
	assert_int_equal(guest_count(guest, TDP_TRACE_PREPARE_ZAP_PAGE), 3);
	for (size_t i = 0, gfn = AT; i < guest->event_count; i++)
		if (guest->events[i].kind == TDP_TRACE_SPTE_CHANGED &&
		    guest->events[i].spte_changed.level == TDP_2M) {
			assert_int_equal(guest->events[i].spte_changed.gfn, gfn);
			gfn += 512;
		}
	assert_int_equal(guest_stats(guest).pages_1g, 1);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, 1);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_leaf_is_as_large_as_the_host_maps_the_page),
		guest_test(an_answer_of_no_level_counts_as_4k),
		guest_test(a_backing_that_promises_small_pages_is_not_asked),
		guest_tests(hardware_without_1g_leaves_gets_2m_ones),
		guest_test(hardware_without_2m_leaves_gets_4k_ones),
		guest_tests(a_huge_leaf_never_sticks_out_of_its_slot),
		guest_test(addresses_that_are_not_congruent_get_4k_leaves),
		guest_test(a_read_fault_maps_as_large_as_a_write_fault),
		guest_tests(a_2m_leaf_splits_into_512_that_map_the_same),
		guest_tests(the_order_of_a_split_ends_with_its_event),
		guest_tests(a_1g_leaf_splits_along_the_way_to_the_page),
		guest_test(split_percpu_counters_come_to_the_same),
		guest_tests(until_6_1_the_huge_leaf_was_zapped_and_its_rest_lost),
		guest_tests(flushing_first_shows_no_frozen_entry),
		guest_test(what_was_lost_faults_in_again_page_by_page),
		guest_tests(a_huge_leaf_replaces_a_table_and_flushes_before_it_is_seen),
		guest_tests(a_1g_leaf_replaces_a_whole_subtree),
	};

	return cmocka_run_group_tests_name("mmu/split", tests, NULL, NULL);
}
