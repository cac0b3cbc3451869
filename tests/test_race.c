/*
 * Lost races, one at a time and without chance: at an event of the fault path the test changes the
 * entry that the fault is about to change. The fault gives up, the guest's next one succeeds, and
 * nothing of the attempt is left.
 */
#include "support/guest.h"

#include <errno.h>

#include "vm/vm.h"

#define AT 0x40000ULL

struct race {
	enum tdp_trace_kind at;
	unsigned int nth; /* event of that kind from which on nothing is done */
	uint64_t gfn, set;
	uint64_t *entry, was; /* to be put back */
};

static void change_entry(struct guest *guest, const struct tdp_trace_event *event)
{
	struct race *race = guest->race;

	if (event->kind != race->at || race->nth-- != 0)
		return;
	guest->on_event = NULL;
	race->entry = guest_entry_at(guest, race->gfn);
	race->was = *race->entry;
	*race->entry = race->set;
}

static enum tdp_fault_result fault_at(struct guest *guest, uint64_t gfn)
{
	struct tdp_fault fault = {.gpa = gfn << TDP_PAGE_SHIFT, .error_code = 0x100000006};
	enum tdp_fault_result result;

	if (guest->config.vm.format == TDP_EPT)
		fault.error_code = 0x182;
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	return result;
}

static enum tdp_fault_result lose(struct guest *guest, struct race *race)
{
	enum tdp_fault_result result;

	guest->race = race;
	guest->on_event = change_entry;
	guest_forget(guest);
	result = fault_at(guest, race->gfn);
	assert_non_null(race->entry);
	return result;
}

static void a_frozen_entry_makes_the_fault_retry(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct race race = {.at = TDP_TRACE_SPTE_REQUESTED, .gfn = AT};

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT + 1, TDP_WRITE);
	race.set = guest_frozen(guest);
	assert_int_equal(lose(guest, &race), TDP_FAULT_RETRY);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_FAULT_RETURN);
	assert_int_equal(*race.entry, guest_frozen(guest));
	*race.entry = race.was;
	assert_int_equal(fault_at(guest, AT), TDP_FAULT_FIXED);
	assert_int_equal(guest_stats(guest).retries, 1);
}

static void a_frozen_entry_on_the_way_makes_the_fault_retry(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct race race = {.at = TDP_TRACE_SPTE_REQUESTED, .gfn = AT + 512};

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	race.set = guest_frozen(guest);
	assert_int_equal(lose(guest, &race), TDP_FAULT_RETRY);
	assert_int_equal(guest_count(guest, TDP_TRACE_GET_PAGE), 0);
	*race.entry = race.was;
	assert_int_equal(fault_at(guest, AT + 512), TDP_FAULT_FIXED);
}

/* The table that another linked first is used; the own one waits for the next need. */
static void a_table_that_comes_too_late_is_not_linked(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct race race = {.at = TDP_TRACE_GET_PAGE, .gfn = AT + 512};

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	race.set = guest_frozen(guest);
	assert_int_equal(lose(guest, &race), TDP_FAULT_RETRY);
	assert_int_equal(guest_count(guest, TDP_TRACE_GET_PAGE), 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 0);
	assert_int_equal(guest_stats(guest).tables, 3);
	*race.entry = race.was;
	assert_int_equal(fault_at(guest, AT + 512), TDP_FAULT_FIXED);
	assert_int_equal(guest_stats(guest).tables, 4);
	assert_int_equal(guest_stats(guest).pages_4k, 2);
}

static void a_split_that_comes_too_late_leaves_no_children(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct race race = {.at = TDP_TRACE_GET_PAGE, .gfn = AT};

	guest_slot(guest, 1, AT, 1024, 0);
	guest->script.level = TDP_2M;
	guest_touch(guest, AT, TDP_WRITE);
	guest->script.level = TDP_4K;
	race.set = guest_nonpresent(guest);
	assert_int_equal(lose(guest, &race), TDP_FAULT_RETRY);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPLIT_HUGE_PAGE, 0)->split.error, -EBUSY);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).pages_2m, 1);
	*race.entry = race.was;

	/* The table that was filled for the split must not be reused as an empty one. */
	guest_touch(guest, AT + 512, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT + 512), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 513), TDP_NOT_MAPPED);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	fault_at(guest, AT);
	assert_int_equal(guest_stats(guest).pages_4k, 513);
	assert_int_equal(guest_stats(guest).pages_2m, 0);
}

static void a_huge_leaf_that_is_gone_needs_no_zap(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.huge_fault = TDP_HUGE_FAULT_ZAP);
	struct race race = {.at = TDP_TRACE_SPTE_REQUESTED, .gfn = AT};

	guest_slot(guest, 1, AT, 1024, 0);
	guest->script.level = TDP_2M;
	guest_touch(guest, AT, TDP_WRITE);
	guest->script.level = TDP_4K;
	race.set = guest_nonpresent(guest);
	assert_int_equal(lose(guest, &race), TDP_FAULT_FIXED);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 0);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	/* The test removed a leaf without counting it. */
	mmu_gauge(&guest->vcpu->context.actor, GAUGE_PAGES_2M, -1);
	tdp_vcpu_flush_tlb(guest->vcpu);
}

/* Zapping under the shared lock, while the hardware sets a flag in between. */
static void set_accessed(struct guest *guest, const struct tdp_trace_event *event)
{
	if (event->kind != TDP_TRACE_ZAP_ALL_FAST)
		return;
	guest->on_event = NULL;
	*guest_entry_at(guest, AT) &= ~guest->vm->mmu.encoding.accessed;
}

static void flags_that_change_before_a_zap_do_not_stop_it(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest->on_event = set_accessed;
	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_frozen_entry_makes_the_fault_retry),
		guest_tests(a_frozen_entry_on_the_way_makes_the_fault_retry),
		guest_tests(a_table_that_comes_too_late_is_not_linked),
		guest_tests(a_split_that_comes_too_late_leaves_no_children),
		guest_test(a_huge_leaf_that_is_gone_needs_no_zap),
		guest_tests(flags_that_change_before_a_zap_do_not_stop_it),
	};

	return cmocka_run_group_tests_name("mmu/race", tests, NULL, NULL);
}
