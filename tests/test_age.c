/*
 * Ageing: which pages were used since the last time. With accessed flags A goes and
 * comes back with a walk; without them an old page has no rights, and its next touch
 * takes a fast page fault. Either with mmu_lock (until 6.14) or without (6.15).
 */
#include "support/guest.h"

#include "mmu/root.h"
#include "vm/vm.h"

#define AT    0x40000ULL
#define PAGES 1024

static uint64_t hva_of(const struct guest *guest, uint64_t gfn)
{
	return guest->backing->hva + ((gfn - AT) << TDP_PAGE_SHIFT);
}

/* Ages pages of the slot. */
static bool age(const struct guest *guest, uint64_t gfn, uint64_t pages)
{
	return tdp_host_age(guest->host, hva_of(guest, gfn), hva_of(guest, gfn + pages));
}

static bool test_age(const struct guest *guest, uint64_t gfn)
{
	return tdp_host_test_age(guest->host, hva_of(guest, gfn));
}

static uint64_t accessed(const struct guest *guest)
{
	return guest->config.vm.format == TDP_EPT ? 1 << 8 : 1 << 5;
}

static struct guest *touched(void **state, const struct guest_config *config)
{
	struct guest *guest = guest_make_as(state, config);

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT + 1, TDP_READ);
	guest_forget(guest);
	return guest;
}

static const struct guest_config plain;
static const struct guest_config locked = {.policy.lockless_age = TDP_OFF};

/* With accessed flags */

static void expect_one_ageing(struct guest *guest)
{
	uint64_t before = guest_entry(guest, AT);
	const struct tdp_trace_event *event;

	assert_true(before & accessed(guest));
	assert_true(age(guest, AT, 1));
	assert_int_equal(guest_entry(guest, AT), before & ~accessed(guest));
	assert_true(guest_entry(guest, AT + 1) & accessed(guest));
	guest_expect(guest, TDP_TRACE_AGE_HVA, TDP_TRACE_SPTE_CHANGED);
	event = guest_event(guest, TDP_TRACE_AGE_HVA, 0);
	assert_int_equal(event->vcpu, -1);
	assert_int_equal(event->age_hva.start, hva_of(guest, AT));
	assert_int_equal(event->age_hva.end, hva_of(guest, AT + 1));
	event = guest_event(guest, TDP_TRACE_SPTE_CHANGED, 0);
	assert_int_equal(event->spte_changed.gfn, AT);
	assert_int_equal(event->spte_changed.level, TDP_4K);
	assert_int_equal(event->spte_changed.address_space, 0);
	assert_int_equal(event->spte_changed.old_entry, before);
	assert_int_equal(event->spte_changed.new_entry, before & ~accessed(guest));

	guest_forget(guest);
	assert_false(age(guest, AT, 1));
	guest_expect(guest, TDP_TRACE_AGE_HVA);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 2);
}

static void a_page_is_young_once(void **state)
{
	expect_one_ageing(touched(state, &plain));
}

static void under_mmu_lock_it_is_young_once_too(void **state)
{
	expect_one_ageing(touched(state, &locked));
}

static void testing_takes_nothing_away(void **state)
{
	struct guest *guest = touched(state, &plain);

	assert_true(test_age(guest, AT));
	assert_true(test_age(guest, AT));
	assert_true(tdp_host_test_age(guest->host, hva_of(guest, AT) + 0xfff));
	assert_false(test_age(guest, AT + 2));
	guest_expect(guest, TDP_TRACE_TEST_AGE_HVA, TDP_TRACE_TEST_AGE_HVA, TDP_TRACE_TEST_AGE_HVA,
		     TDP_TRACE_TEST_AGE_HVA);
	assert_int_equal(guest_event(guest, TDP_TRACE_TEST_AGE_HVA, 2)->test_age_hva.hva,
			 hva_of(guest, AT) + 0xfff);
	assert_true(age(guest, AT, 1));
	assert_false(test_age(guest, AT));
}

/* No flush: a translation in the TLB is used without a look at the tables. */
static void a_page_in_the_tlb_is_called_old(void **state)
{
	struct guest *guest = touched(state, &plain);

	assert_true(age(guest, AT, 1));
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	assert_false(age(guest, AT, 1));
	tdp_vcpu_flush_tlb(guest->vcpu);
	assert_int_equal(guest_touch(guest, AT, TDP_READ), 0);
	assert_true(age(guest, AT, 1));
}

static void a_range_is_rounded_outwards_to_pages(void **state)
{
	struct guest *guest = touched(state, &plain);
	uint64_t hva = hva_of(guest, AT);

	guest_touch(guest, AT + 2, TDP_READ);
	guest_forget(guest);
	assert_true(tdp_host_age(guest->host, hva + 0xfff, hva + 0x1001));
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 2);
	assert_false(test_age(guest, AT));
	assert_false(test_age(guest, AT + 1));
	assert_true(test_age(guest, AT + 2));
	assert_false(tdp_host_age(guest->host, hva + 0x2000, hva + 0x2000));
}

static void a_huge_leaf_is_aged_as_a_whole(void **state)
{
	struct guest *guest = touched(state, &(struct guest_config){.page = TDP_2M});

	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_true(age(guest, AT + 100, 1));
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 0)->spte_changed.level, TDP_2M);
	assert_int_equal(guest_event(guest, TDP_TRACE_SPTE_CHANGED, 0)->spte_changed.gfn, AT);
	assert_false(age(guest, AT, 512));
	guest_touch(guest, AT + 512, TDP_READ);
	assert_true(age(guest, AT, 1024));
}

static void a_leaf_of_1g_is_aged_as_a_whole(void **state)
{
	struct guest *guest = guest_make(state, .page = TDP_1G);

	guest_slot(guest, 1, AT, 1 << 18, 0);
	guest_touch(guest, AT + 5, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT), TDP_1G);
	assert_true(age(guest, AT + 100000, 1));
	assert_false(age(guest, AT, 1 << 18));
}

static void memory_of_no_slot_is_never_young(void **state)
{
	struct guest *guest = touched(state, &locked);

	assert_false(age(guest, AT + PAGES, 100));
	assert_false(test_age(guest, AT + PAGES));
	guest_expect(guest, TDP_TRACE_AGE_HVA, TDP_TRACE_TEST_AGE_HVA);
}

/* Two slots of one address space and one of the other lie over the same page. */
static void every_mapping_of_a_page_is_aged(void **state)
{
	struct guest *guest = touched(state, &plain);
	struct tdp_memslot smm = guest_slot_of(guest, 1, AT, 16, 0);

	smm.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smm), 0);
	guest_slot(guest, 2, 2 * AT, 16, 0);
	guest_touch(guest, 2 * AT, TDP_READ);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT, TDP_READ);
	guest_forget(guest);
	assert_true(age(guest, AT, 1));
	guest_expect(guest, TDP_TRACE_AGE_HVA, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SPTE_CHANGED);
	assert_int_equal(guest->events[1].spte_changed.gfn, AT);
	assert_int_equal(guest->events[2].spte_changed.gfn, 2 * AT);
	assert_int_equal(guest->events[3].spte_changed.gfn, AT);
	assert_int_equal(guest->events[3].spte_changed.address_space, 1);
	assert_false(age(guest, AT, 1));
}

static void flags_of_the_hardware_are_left_but_a(void **state)
{
	struct guest *guest = touched(state, &locked);
	uint64_t write = 2, dirty = guest->config.vm.format == TDP_EPT ? 1 << 9 : 1 << 6;

	/* Write-protected for a log, and clean: what is volatile and what is not. */
	*guest_entry_at(guest, AT) &= ~write;
	*guest_entry_at(guest, AT + 1) &= ~dirty;
	tdp_vcpu_flush_tlb(guest->vcpu);
	assert_true(age(guest, AT, 2));
	assert_int_equal(guest_entry(guest, AT) & (accessed(guest) | dirty | write), dirty);
	assert_int_equal(guest_entry(guest, AT + 1) & (accessed(guest) | dirty | write), write);
}

/* Which actor ages, in which address space */

static void invalidate(struct guest *guest, bool invalid)
{
	struct table *root = table_of(guest->host, tdp_vcpu_root(guest->vcpu));
	uint32_t role = u32_load_relaxed(&root->role);

	u32_store_relaxed(&root->role, invalid ? role | ROLE_INVALID : role & ~ROLE_INVALID);
}

static bool ages_in_invalid_roots(struct guest *guest)
{
	bool young;

	invalidate(guest, true);
	young = age(guest, AT, 1);
	invalidate(guest, false);
	return young;
}

static void without_mmu_lock_invalid_roots_are_left_alone(void **state)
{
	assert_false(ages_in_invalid_roots(touched(state, &plain)));
}

static void under_mmu_lock_invalid_roots_are_aged_too(void **state)
{
	assert_true(ages_in_invalid_roots(touched(state, &locked)));
}

static void without_mmu_lock_nobody_is_waited_for(void **state)
{
	struct guest *guest = touched(state, &plain);

	rwlock_write_lock(&guest->vm->mmu.lock);
	assert_true(test_age(guest, AT));
	assert_true(age(guest, AT, 4));
	rwlock_write_unlock(&guest->vm->mmu.lock);
}

static bool unwatched_age(struct guest *guest, uint64_t gfn, uint64_t pages)
{
	bool young;

	guest->vm->mmu.check = false;
	young = age(guest, gfn, pages);
	guest->vm->mmu.check = true;
	return young;
}

static unsigned int young_pages(const struct guest *guest)
{
	unsigned int young = 0;

	for (uint64_t i = 0; i < PAGES; i++)
		young += (guest_entry(guest, AT + i) & accessed(guest)) != 0;
	return young;
}

/* Without an observer and a check each table is aged in one loop. */
static void expect_whole_tables_aged(void **state, enum tdp_choice lockless)
{
	struct guest *guest = guest_make(state, .untraced = true, .policy.lockless_age = lockless);
	uint64_t dirty = guest->config.vm.format == TDP_EPT ? 1 << 9 : 1 << 6, bits;

	guest_slot(guest, 1, AT, PAGES, 0);
	for (uint64_t i = 0; i < PAGES; i += 2)
		guest_touch(guest, AT + i, TDP_WRITE);
	*guest_entry_at(guest, AT + 600) &= ~dirty;
	bits = guest_entry_bits(guest, AT);
	assert_true(unwatched_age(guest, AT + 3, 1000));
	assert_int_equal(young_pages(guest), PAGES / 2 - 500);
	assert_int_equal(guest_entry_bits(guest, AT + 4), bits & ~accessed(guest));
	assert_int_equal(guest_entry_bits(guest, AT + 600), bits & ~accessed(guest) & ~dirty);
	assert_int_equal(guest_entry(guest, AT + 5), guest_nonpresent(guest));
	assert_false(unwatched_age(guest, AT + 3, 1000));
	assert_true(unwatched_age(guest, AT, PAGES));
	assert_int_equal(young_pages(guest), 0);
	tdp_vcpu_flush_tlb(guest->vcpu); /* of rights to write 600 */
}

static void whole_tables_are_aged_without_mmu_lock(void **state)
{
	expect_whole_tables_aged(state, TDP_ON);
}

static void whole_tables_are_aged_under_mmu_lock(void **state)
{
	expect_whole_tables_aged(state, TDP_OFF);
}

/* Without accessed flags */

static struct guest *without_flags(void **state, enum tdp_baseline baseline,
				   enum tdp_choice lockless)
{
	return touched(state, &(struct guest_config){
				      .vm.no_ad = true,
				      .vm.baseline = baseline,
				      .policy.lockless_age = lockless,
			      });
}

/* A leaf that was written, old, read again, written again; each as the kernel makes it. */
static void expect_values(void **state, enum tdp_baseline baseline, const uint64_t values[4])
{
	struct guest *guest = without_flags(state, baseline, TDP_AS_BASELINE);

	assert_int_equal(guest_entry_bits(guest, AT), values[0]);
	assert_true(test_age(guest, AT));
	assert_true(age(guest, AT, 1));
	assert_int_equal(guest_entry_bits(guest, AT), values[1]);
	assert_int_equal(guest_changes(guest, TDP_4K, values[0], values[1]), 1);
	assert_false(test_age(guest, AT));
	assert_false(age(guest, AT, 1));
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 1);

	tdp_vcpu_flush_tlb(guest->vcpu);
	guest_forget(guest);
	assert_int_equal(guest_touch(guest, AT, TDP_READ), 1);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_FAST_PAGE_FAULT,
		     TDP_TRACE_FAULT_RETURN);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 0)->page_fault.error_code, 0x181);
	assert_int_equal(guest_entry_bits(guest, AT), values[2]);
	assert_true(test_age(guest, AT));
	guest_forget(guest);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 0)->page_fault.error_code, 0x1aa);
	assert_int_equal(guest_entry_bits(guest, AT), values[3]);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

static void old_pages_look_as_in_6_1(void **state)
{
	expect_values(state, TDP_BASELINE_6_1,
		      (const uint64_t[]){0x0610000000000877, 0x0750000000000870, 0x0610000000000875,
					 0x0610000000000877});
}

static void old_pages_look_as_in_6_12(void **state)
{
	expect_values(state, TDP_BASELINE_6_12,
		      (const uint64_t[]){0x8610000000000877, 0x8750000000000870, 0x8610000000000875,
					 0x8610000000000877});
}

/* From 6.13 on A and D are kept by software. */
static void old_pages_look_as_in_the_latest(void **state)
{
	expect_values(state, TDP_BASELINE_LATEST,
		      (const uint64_t[]){0x8610000000000b77, 0x8750000000000a70, 0x8610000000000b75,
					 0x8610000000000b77});
}

/* A page that the host does not let write keeps no right to. */
static void an_old_read_only_page_is_never_writable(void **state)
{
	struct guest *guest = guest_make(state, .vm.no_ad = true);

	guest_slot_read_only(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_READ);
	assert_true(age(guest, AT, 1));
	tdp_vcpu_flush_tlb(guest->vcpu);
	assert_int_equal(guest_access(guest, AT << TDP_PAGE_SHIFT, TDP_WRITE).outcome,
			 TDP_ACCESS_MMIO);
	assert_int_equal(guest_touch(guest, AT, TDP_READ), 1);
	assert_false(guest_writable(guest, AT));
}

/* The next two: the checker allows what the TLB still holds; the teardown asks it. */
static void the_tlb_may_still_allow_what_ageing_took_away(void **state)
{
	struct guest *guest = without_flags(state, TDP_BASELINE_LATEST, TDP_AS_BASELINE);

	assert_true(age(guest, AT, 2));
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	assert_int_equal(guest_touch(guest, AT + 1, TDP_READ), 0);
	assert_int_equal(guest_violations(guest), 0);
	assert_false(age(guest, AT, 2));
}

static void the_tlb_may_still_allow_writes_that_a_reader_did_not_bring_back(void **state)
{
	struct guest *guest = guest_make(state, .vm.no_ad = true, .vcpus = 2);

	guest_slot(guest, 1, AT, PAGES, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_true(age(guest, AT, 1));
	guest_touch_on(guest->vcpus[1], AT, TDP_READ);
	assert_int_equal(guest_entry_bits(guest, AT) & 7, 5);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
}

/* Zapping an old page owes the flush that ageing did not make. */
static void an_old_page_is_unmapped_with_a_flush(void **state)
{
	struct guest *guest = without_flags(state, TDP_BASELINE_LATEST, TDP_AS_BASELINE);

	assert_true(age(guest, AT, 1));
	guest_discard(guest, 0, 1);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
}

static void whole_tables_grow_old_without_flags(void **state)
{
	struct guest *guest = guest_make(state, .untraced = true, .vm.no_ad = true);

	guest_slot(guest, 1, AT, PAGES, 0);
	for (uint64_t i = 0; i < PAGES; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	assert_true(age(guest, AT, PAGES));
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(guest_entry_bits(guest, AT + i) & 7, 0);
	assert_false(age(guest, AT, PAGES));
	tdp_vcpu_flush_tlb(guest->vcpu);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(guest_touch(guest, AT + i, TDP_READ), 1);
	assert_int_equal(guest_stats(guest).pf_fast, PAGES);
	assert_true(age(guest, AT + PAGES - 1, 1));
}

static void under_mmu_lock_pages_grow_old_without_flags(void **state)
{
	struct guest *guest = without_flags(state, TDP_BASELINE_LATEST, TDP_OFF);

	assert_true(age(guest, AT, 2));
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 2);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8750000000000a70);
	assert_false(age(guest, AT, 2));
}

/* Entries by themselves */

static struct encoding made(const struct format *format, bool latest, bool hardware_ad)
{
	struct encoding encoding;

	encoding_init(&encoding, &(struct encoding_config){
					 .format = format,
					 .hardware_ad = hardware_ad,
					 .execute_only = format->id == TDP_EPT,
					 .suppress_ve = true,
					 .software_ad = latest,
					 .dirty_at_birth = latest,
					 .lockless_age = latest,
				 });
	return encoding;
}

static void a_leaf_is_young_by_its_flag_or_by_its_rights(void **state)
{
	struct encoding npt = made(&format_npt, false, true);
	struct encoding soft = made(&format_ept, true, false);
	struct encoding none = made(&format_ept, false, false);

	(void)state;
	assert_true(spte_accessed(&npt, 0xe67));
	assert_false(spte_accessed(&npt, 0xe47));
	assert_true(spte_accessed(&soft, 0x8610000000000b77));
	assert_false(spte_accessed(&soft, 0x8750000000000a70));
	assert_true(spte_accessed(&none, 0x8610000000000877));
	assert_true(spte_accessed(&none, 0x8610000000000875));
	assert_false(spte_accessed(&none, 0x8750000000000870));
}

/* Where ageing takes no lock it may hit an entry that was frozen a moment ago. */
static void a_frozen_entry_stays_frozen_when_it_is_aged(void **state)
{
	struct encoding npt = made(&format_npt, true, true);
	struct encoding ept = made(&format_ept, true, true);
	struct encoding old = made(&format_ept, false, true);

	(void)state;
	assert_true(spte_frozen(&npt, npt.frozen & ~npt.accessed));
	assert_true(spte_frozen(&ept, ept.frozen & ~ept.accessed));
	assert_false(spte_frozen(&npt, npt.frozen & ~ept.accessed));
	assert_false(spte_frozen(&old, old.frozen & ~old.accessed));
	assert_false(spte_frozen(&npt, npt.nonpresent));
	assert_false(spte_frozen(&ept, ept.nonpresent));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_page_is_young_once),
		guest_tests(under_mmu_lock_it_is_young_once_too),
		guest_tests(testing_takes_nothing_away),
		guest_tests(a_page_in_the_tlb_is_called_old),
		guest_test(a_range_is_rounded_outwards_to_pages),
		guest_tests(a_huge_leaf_is_aged_as_a_whole),
		guest_tests(a_leaf_of_1g_is_aged_as_a_whole),
		guest_test(memory_of_no_slot_is_never_young),
		guest_test(every_mapping_of_a_page_is_aged),
		guest_tests(flags_of_the_hardware_are_left_but_a),
		guest_test(without_mmu_lock_invalid_roots_are_left_alone),
		guest_test(under_mmu_lock_invalid_roots_are_aged_too),
		guest_test(without_mmu_lock_nobody_is_waited_for),
		guest_tests(whole_tables_are_aged_without_mmu_lock),
		guest_tests(whole_tables_are_aged_under_mmu_lock),
		guest_test_ept(old_pages_look_as_in_6_1),
		guest_test_ept(old_pages_look_as_in_6_12),
		guest_test_ept(old_pages_look_as_in_the_latest),
		guest_test_ept(an_old_read_only_page_is_never_writable),
		guest_test_ept(the_tlb_may_still_allow_what_ageing_took_away),
		guest_test_ept(the_tlb_may_still_allow_writes_that_a_reader_did_not_bring_back),
		guest_test_ept(an_old_page_is_unmapped_with_a_flush),
		guest_test_ept(whole_tables_grow_old_without_flags),
		guest_test_ept(under_mmu_lock_pages_grow_old_without_flags),
		cmocka_unit_test(a_leaf_is_young_by_its_flag_or_by_its_rights),
		cmocka_unit_test(a_frozen_entry_stays_frozen_when_it_is_aged),
	};

	return cmocka_run_group_tests_name("mmu/age", tests, NULL, NULL);
}
