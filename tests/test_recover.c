/*
 * Recovery: when a slot is no longer logged, huge leaves replace its tables, in place (6.13 on) or
 * after a zap (until 6.12), where slot and host allow them.
 */
#include "support/inside.h"

#include "mmu/recover.h"

#define AT	INSIDE_AT
#define ADDRESS 0x000ffffffffff000ULL

static const struct guest_config scripted = {.scripted = true};

/* A slot of `pages`; each of `written` pages from its front mapped 4K. Then the host maps `level`.
 */
static struct guest *mapped_small(void **state, const struct guest_config *config, uint64_t pages,
				  uint64_t written, enum tdp_level level)
{
	struct guest *guest = guest_make_as(state, config);

	guest_slot(guest, 1, AT, pages, 0);
	for (uint64_t gfn = AT; gfn < AT + written; gfn++)
		guest_touch(guest, gfn, TDP_WRITE);
	guest->script.level = level;
	guest_forget(guest);
	return guest;
}

static void recover(struct guest *guest)
{
	inside_do(guest, 1, mmu_recover_slot);
}

static uint64_t frame_bits(const struct guest *guest, uint64_t gfn)
{
	return (tdp_host_carveout(guest->host).n + gfn - AT) << TDP_PAGE_SHIFT;
}

/* In place */

static void a_table_of_4k_leaves_becomes_the_kernels_2m_leaf(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1024, 1024, TDP_2M);
	struct tdp_stats stats;

	recover(guest);
	for (uint64_t gfn = AT; gfn < AT + 1024; gfn += 512)
		assert_int_equal(guest_entry(guest, gfn),
				 frame_bits(guest, gfn) |
					 inside_value(guest, 0xee7, 0x0600000000000bf7));
	stats = guest_stats(guest);
	assert_int_equal(stats.pages_4k, 0);
	assert_int_equal(stats.pages_2m, 2);
	assert_int_equal(stats.tables, 2);
	for (uint64_t gfn = AT; gfn < AT + 1024; gfn += 7)
		assert_int_equal(guest_touch(guest, gfn, TDP_WRITE), 0);
}

static void the_first_leaf_that_is_there_speaks_for_the_region(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 512, 0, TDP_4K);

	guest_touch(guest, AT + 100, TDP_WRITE);
	guest_touch(guest, AT + 200, TDP_WRITE);
	/* Protected for the log; the other one is not. */
	*guest_entry_at(guest, AT + 100) &= ~2ULL;
	tdp_vcpu_flush_tlb(guest->vcpu);
	guest->script.level = TDP_2M;
	recover(guest);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_int_equal(guest_entry(guest, AT),
			 frame_bits(guest, AT) | inside_value(guest, 0xee5, 0x0600000000000bf5));
	/*
	 * Pages that were not mapped are mapped now, and a write gets its right back without a
	 * fault to the host.
	 */
	assert_int_equal(guest_touch(guest, AT + 511, TDP_READ), 0);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	assert_int_equal(guest_stats(guest).pf_fast, 1);
	assert_int_equal(guest_touch(guest, AT + 511, TDP_WRITE), 0);
	assert_int_equal(guest->script.resolved, 2);
}

static void an_old_page_makes_an_old_leaf(void **state)
{
	struct guest *guest =
		mapped_small(state,
			     &(struct guest_config){.scripted = true,
						    .vm.no_ad = true,
						    .vm.baseline = TDP_BASELINE_6_12,
						    .policy.recovery = TDP_RECOVERY_IN_PLACE},
			     512, 1, TDP_2M);
	uint64_t *entry = guest_entry_at(guest, AT);

	*entry = (*entry & ADDRESS) | 0x8750000000000870;
	tdp_vcpu_flush_tlb(guest->vcpu);
	recover(guest);
	assert_int_equal(*guest_entry_at(guest, AT) & ~ADDRESS, 0x87500000000008f0);
	assert_int_equal(guest_touch(guest, AT + 9, TDP_READ), 1);
	assert_int_equal(guest_entry(guest, AT), frame_bits(guest, AT) | 0x86100000000008f5);
}

static void under_nx_huge_pages_a_leaf_loses_its_right_to_execute(void **state)
{
	struct guest *guest = mapped_small(
		state, &(struct guest_config){.scripted = true, .policy.nx_huge_pages = TDP_ON},
		1024, 0, TDP_2M);

	guest_touch(guest, AT + 3, TDP_FETCH);
	assert_int_equal(guest_level(guest, AT + 3), TDP_4K);
	assert_int_equal(guest_stats(guest).nx_lpage_splits, 1);
	recover(guest);
	assert_int_equal(guest_entry(guest, AT),
			 frame_bits(guest, AT) |
				 inside_value(guest, 0x8000000000000ee7, 0x0600000000000bf3));
	/* The table is off the list; the next fetch puts another one there. */
	assert_int_equal(guest_stats(guest).nx_lpage_splits, 0);
	guest_touch(guest, AT + 3, TDP_FETCH);
	assert_int_equal(guest_stats(guest).nx_lpage_splits, 1);
}

static void an_empty_table_stays(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1024, 1024, TDP_2M);

	guest_discard(guest, 0, 512);
	guest_forget(guest);
	recover(guest);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	assert_int_equal(guest_level(guest, AT + 512), TDP_2M);
	assert_int_equal(guest_stats(guest).tables, 3);
	assert_int_equal(guest_count(guest, TDP_TRACE_PREPARE_ZAP_PAGE), 1);
}

static void a_1g_leaf_replaces_all_that_is_below(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1 << 18, 5, TDP_4K);
	struct tdp_stats stats;

	guest_touch(guest, AT + 600, TDP_WRITE);
	guest->script.level = TDP_2M;
	guest_touch(guest, AT + 5000, TDP_WRITE);
	guest->script.level = TDP_1G;
	recover(guest);
	assert_int_equal(guest_entry(guest, AT),
			 frame_bits(guest, AT) | inside_value(guest, 0xee7, 0x0600000000000bf7));
	stats = guest_stats(guest);
	assert_int_equal(stats.pages_1g, 1);
	assert_int_equal(stats.pages_2m, 0);
	assert_int_equal(stats.pages_4k, 0);
	assert_int_equal(stats.tables, 1);
	assert_int_equal(stats.remote_tlb_flush_requests, 1);
}

static void a_1g_leaf_takes_after_a_leaf_in_any_table_below(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1 << 18, 0, TDP_4K);

	/* An empty table before it, and the leaf near the end of its own. */
	guest_touch(guest, AT + 3, TDP_WRITE);
	guest_touch(guest, AT + 511 * 512 + 510, TDP_WRITE);
	guest_discard(guest, 0, 512);
	guest->script.level = TDP_1G;
	recover(guest);
	assert_int_equal(guest_level(guest, AT), TDP_1G);
	assert_int_equal(guest_walk(guest, AT + 777, TDP_WRITE).pfn.n,
			 tdp_host_carveout(guest->host).n + 777);
	assert_int_equal(guest_stats(guest).tables, 1);
}

static void a_host_that_maps_2m_gets_2m_in_a_1g_region(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1 << 18, 1024, TDP_2M);

	recover(guest);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void a_host_that_maps_4k_keeps_its_tables(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1024, 1024, TDP_4K);

	recover(guest);
	guest_expect_as(guest, NULL, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
}

static void hardware_without_1g_leaves_gets_no_1g_leaf(void **state)
{
	struct guest *guest = mapped_small(
		state, &(struct guest_config){.scripted = true, .vm.max_level = TDP_2M}, 1 << 18,
		512, TDP_1G);

	recover(guest);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
}

static void a_leaf_would_stick_out_of_the_slot(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	/* Five pages into a 2M region, and ending five pages into another. */
	guest_slot(guest, 1, AT + 5, 1024, 5);
	guest_touch(guest, AT + 5, TDP_WRITE);
	guest_touch(guest, AT + 700, TDP_WRITE);
	guest_touch(guest, AT + 1028, TDP_WRITE);
	guest->script.level = TDP_1G;
	recover(guest);
	assert_int_equal(guest_level(guest, AT + 5), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 700), TDP_2M);
	assert_int_equal(guest_level(guest, AT + 1028), TDP_4K);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void addresses_that_are_not_congruent_stay_small(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, AT, 1024, 5);
	guest_touch(guest, AT, TDP_WRITE);
	guest->script.level = TDP_2M;
	recover(guest);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
}

static void other_slots_keep_their_tables(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 512, 512, TDP_4K);

	guest_slot(guest, 2, AT + 512, 512, 512);
	guest_touch(guest, AT + 512, TDP_WRITE);
	guest->script.level = TDP_2M;
	recover(guest);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_int_equal(guest_level(guest, AT + 512), TDP_4K);
}

/* The order of events, and the flush: the section is open until it is made. */

static void note_section(struct guest *guest, const struct tdp_trace_event *event)
{
	if (event->kind == TDP_TRACE_FLUSH)
		assert_non_null(inside_section(guest));
}

static void one_flush_before_the_tables_may_be_freed(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1024, 1024, TDP_2M);
	const struct tdp_trace_event *event;

	guest->on_event = note_section;
	recover(guest);
	/* Each: the entry, the table, its 512 entries. Then the flush of the slot. */
	assert_int_equal(guest->event_count, 2 * (2 + 512) + 1);
	assert_int_equal(guest->events[0].kind, TDP_TRACE_SPTE_CHANGED);
	assert_int_equal(guest->events[0].spte_changed.level, TDP_2M);
	assert_int_equal(guest->events[0].spte_changed.new_entry, guest_entry(guest, AT));
	assert_int_equal(guest->events[1].kind, TDP_TRACE_PREPARE_ZAP_PAGE);
	for (unsigned int i = 0; i < 512; i++) {
		event = &guest->events[2 + i];
		assert_int_equal(event->kind, TDP_TRACE_SPTE_CHANGED);
		assert_int_equal(event->spte_changed.gfn, AT + i);
		assert_int_equal(event->spte_changed.new_entry, guest_frozen(guest));
	}
	event = guest_event(guest, TDP_TRACE_FLUSH, 0);
	assert_ptr_equal(event, &guest->events[guest->event_count - 1]);
	assert_int_equal(event->flush.gfn, AT);
	assert_int_equal(event->flush.pages, 1024);
}

static void where_nothing_changes_nothing_is_flushed(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 1024, 0, TDP_2M);

	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	recover(guest);
	guest_expect_as(guest, NULL, 0);
}

/* By a zap */

static void until_6_12_the_table_is_zapped_behind_its_flush(void **state)
{
	struct guest *guest = mapped_small(
		state, &(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_12},
		1024, 1024, TDP_2M);

	guest->on_event = note_section;
	recover(guest);
	assert_int_equal(guest->event_count, 2 * (3 + 512));
	for (unsigned int i = 0; i < 2; i++) {
		const struct tdp_trace_event *event = &guest->events[i * (3 + 512)];

		assert_int_equal(event[0].kind, TDP_TRACE_FLUSH);
		assert_int_equal(event[0].flush.gfn, AT + i * 512);
		assert_int_equal(event[0].flush.pages, 512);
		assert_int_equal(event[1].kind, TDP_TRACE_SPTE_CHANGED);
		assert_int_equal(event[1].spte_changed.new_entry, guest_nonpresent(guest));
		assert_int_equal(event[2].kind, TDP_TRACE_PREPARE_ZAP_PAGE);
	}
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, 2);
	assert_int_equal(guest_touch(guest, AT + 5, TDP_WRITE), 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
}

static void in_6_1_the_flush_came_behind_the_table(void **state)
{
	struct guest *guest = mapped_small(
		state, &(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_1},
		512, 512, TDP_2M);

	guest->on_event = note_section;
	recover(guest);
	assert_int_equal(guest->event_count, 3 + 512);
	assert_int_equal(guest->events[0].kind, TDP_TRACE_SPTE_CHANGED);
	assert_int_equal(guest->events[0].spte_changed.new_entry, 0x5a0);
	assert_int_equal(guest->events[1].kind, TDP_TRACE_PREPARE_ZAP_PAGE);
	assert_int_equal(guest->events[2 + 512].kind, TDP_TRACE_FLUSH);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	assert_int_equal(guest_touch(guest, AT + 5, TDP_WRITE), 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
}

static void a_zap_takes_a_1g_region_whole_and_empty_tables_too(void **state)
{
	struct guest *guest = mapped_small(
		state, &(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_12},
		1 << 18, 5, TDP_1G);

	recover(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 1);
	assert_int_equal(guest_event(guest, TDP_TRACE_FLUSH, 0)->flush.pages, 1 << 18);
	assert_int_equal(guest_count(guest, TDP_TRACE_PREPARE_ZAP_PAGE), 2);
	assert_int_equal(guest_stats(guest).tables, 1);
	/* Here an empty one counts, in place it does not. */
	guest->script.level = TDP_4K;
	guest_touch(guest, AT, TDP_WRITE);
	guest_discard(guest, 0, 512);
	guest->script.level = TDP_2M;
	guest_forget(guest);
	recover(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_PREPARE_ZAP_PAGE), 1);
}

/* The slot's flag */

static void switching_the_log_off_recovers_what_switching_it_on_split(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest->script.level = TDP_2M;
	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 512, TDP_WRITE);
	inside_log(guest, 1, true);
	assert_int_equal(guest_stats(guest).pages_4k, 1024);
	inside_log(guest, 1, false);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	assert_int_equal(guest_stats(guest).tables, 2);
}

/* Others in between */

struct race {
	struct guest *guest;
	unsigned int after; /* so many events of `kind` */
	enum tdp_trace_kind kind;
	struct tdp_flag *recovering;
	struct tdp_stats seen;
};

static void wait_for_the_other(struct guest *guest, const struct tdp_trace_event *event)
{
	struct race *race = guest->race;
	unsigned int rounds = 0;

	if (event->kind == TDP_TRACE_FLUSH)
		assert_non_null(inside_section(guest));
	if (event->kind != race->kind || race->after-- != 0)
		return;
	tdp_flag_raise(race->recovering);
	while (!rwlock_contended(&guest->vm->mmu.lock))
		tdp_pause(&rounds);
}

static int recover_all(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;

	(void)self;
	recover(race->guest);
	return 0;
}

static int come_between(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;
	struct mmu_actor *task = mmu_task_get(&race->guest->vm->mmu);
	struct mmu_exclusive exclusive;
	unsigned int rounds = 0;

	(void)self;
	while (!tdp_flag_raised(race->recovering))
		tdp_pause(&rounds);
	exclusive = mmu_lock_exclusive(task);
	race->seen = guest_stats(race->guest);
	mmu_unlock_exclusive(exclusive);
	mmu_task_put(task);
	return 0;
}

static void run_race(struct guest *guest, struct race *race)
{
	struct tdp_actor_config actors[] = {
		{.body = recover_all, .arg = race},
		{.body = come_between, .arg = race},
	};

	race->guest = guest;
	guest->race = race;
	guest->on_event = wait_for_the_other;
	assert_int_equal(tdp_flag_create(&race->recovering), 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_flag_destroy(race->recovering);
}

static void recovery_flushes_what_it_owes_and_gives_way(void **state)
{
	struct race race = {.kind = TDP_TRACE_PREPARE_ZAP_PAGE, .after = 1};
	struct guest *guest = mapped_small(state, &scripted, 4 * 512, 4 * 512, TDP_2M);

	run_race(guest, &race);
	assert_int_equal(race.seen.pages_2m, 2);
	assert_int_equal(race.seen.remote_tlb_flush_requests, 1);
	assert_int_equal(guest_stats(guest).pages_2m, 4);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 2);
}

static void a_zapping_recovery_gives_way_and_owes_nothing(void **state)
{
	struct race race = {.kind = TDP_TRACE_PREPARE_ZAP_PAGE, .after = 1};
	struct guest *guest = mapped_small(
		state, &(struct guest_config){.scripted = true, .vm.baseline = TDP_BASELINE_6_12},
		4 * 512, 4 * 512, TDP_2M);

	run_race(guest, &race);
	assert_int_equal(race.seen.pages_4k, 2 * 512);
	assert_int_equal(race.seen.remote_tlb_flush_requests, 2);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 4);
}

static int resolve_for_guest(void *context, void *caller, uint64_t hva, bool write,
			     struct tdp_backing_page *page)
{
	struct guest *guest = context;

	(void)caller;
	(void)write;
	*page = (struct tdp_backing_page){
		.pfn = tdp_pfn(tdp_host_carveout(guest->host).n +
			       ((hva - guest->backing->hva) >> TDP_PAGE_SHIFT)),
		.writable = true,
	};
	return 0;
}

/* A fault that asks the host right after the recovery has asked it. */
static unsigned int a_fault_is_faster(void *context, uint64_t hva)
{
	struct guest *guest = context;

	(void)hva;
	if (guest->race) {
		guest->race = NULL;
		guest_touch(guest, AT + 300, TDP_WRITE);
		assert_int_equal(guest_level(guest, AT), TDP_2M);
	}
	return TDP_2M;
}

static void what_a_fault_has_replaced_is_left_alone(void **state)
{
	struct guest *guest = mapped_small(state, &scripted, 512, 5, TDP_2M);
	struct tdp_backing_ops ops = *guest->script.backing.ops;
	struct race race = {0};

	guest->race = &race;
	ops.resolve = resolve_for_guest;
	ops.level = a_fault_is_faster;
	guest->script.backing.ops = &ops;
	guest->script.backing.context = guest;
	recover(guest);
	assert_null(guest->race);
	assert_int_equal(guest_count(guest, TDP_TRACE_PREPARE_ZAP_PAGE), 1);
	assert_int_equal(guest_stats(guest).pages_2m, 1);
	/* The fault's own. */
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
	guest_end_vm(guest); /* before `ops` */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_table_of_4k_leaves_becomes_the_kernels_2m_leaf),
		guest_tests(the_first_leaf_that_is_there_speaks_for_the_region),
		guest_test_ept(an_old_page_makes_an_old_leaf),
		guest_tests(under_nx_huge_pages_a_leaf_loses_its_right_to_execute),
		guest_test(an_empty_table_stays),
		guest_tests(a_1g_leaf_replaces_all_that_is_below),
		guest_test(a_1g_leaf_takes_after_a_leaf_in_any_table_below),
		guest_test(a_host_that_maps_2m_gets_2m_in_a_1g_region),
		guest_test(a_host_that_maps_4k_keeps_its_tables),
		guest_test(hardware_without_1g_leaves_gets_no_1g_leaf),
		guest_test(a_leaf_would_stick_out_of_the_slot),
		guest_test(addresses_that_are_not_congruent_stay_small),
		guest_test(other_slots_keep_their_tables),
		guest_tests(one_flush_before_the_tables_may_be_freed),
		guest_test(where_nothing_changes_nothing_is_flushed),
		guest_tests(until_6_12_the_table_is_zapped_behind_its_flush),
		guest_tests(in_6_1_the_flush_came_behind_the_table),
		guest_test(a_zap_takes_a_1g_region_whole_and_empty_tables_too),
		guest_tests(switching_the_log_off_recovers_what_switching_it_on_split),
		guest_tests(recovery_flushes_what_it_owes_and_gives_way),
		guest_test(a_zapping_recovery_gives_way_and_owes_nothing),
		guest_test(what_a_fault_has_replaced_is_left_alone),
	};

	return cmocka_run_group_tests_name("mmu/recover", tests, NULL, NULL);
}
