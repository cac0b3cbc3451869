/*
 * Zapping: what remains mapped after a range, a slot or all roots were removed,
 * and how many flushes it took (Linux tdp_mmu_zap_leafs(), kvm_unmap_gfn_range()
 * and kvm_mmu_zap_all_fast(), 6.12).
 */
#include "support/guest.h"

#include "mmu/zap.h"
#include "vm/vm.h"

#define AT    0x40000ULL
#define PAGES 4096

/* A slot of each size of page, some touched, and one page in another slot. */
static struct guest *touched(void **state, enum tdp_level level, const struct guest_config *config)
{
	struct guest *guest = guest_make_as(state, config);

	guest->script.level = level;
	guest_slot(guest, 1, AT, PAGES, 0);
	guest_slot(guest, 2, 2 * AT, PAGES, PAGES);
	for (unsigned int i = 0; i < 1024; i += 64)
		guest_touch(guest, AT + i, TDP_WRITE);
	guest_touch(guest, 2 * AT, TDP_WRITE);
	guest_forget(guest);
	return guest;
}

static const struct guest_config scripted = {.scripted = true};

/* Ranges */

static void zapping_one_page_leaves_its_neighbours(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);

	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + 64), 1);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	assert_int_equal(guest_level(guest, AT + 64), TDP_NOT_MAPPED);
	assert_int_equal(guest_entry(guest, AT + 64), guest_nonpresent(guest));
	assert_int_equal(guest_level(guest, AT + 128), TDP_4K);
	assert_int_equal(guest_stats(guest).pages_4k, 16);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
	guest_expect(guest, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_FLUSH);
}

static void zapping_one_page_of_a_2m_mapping_unmaps_all_of_it(void **state)
{
	struct guest *guest = touched(state, TDP_2M, &scripted);

	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + 600), 1);
	assert_int_equal(guest_level(guest, AT), TDP_2M);
	assert_int_equal(guest_level(guest, AT + 512), TDP_NOT_MAPPED);
	assert_int_equal(guest_level(guest, AT + 1023), TDP_NOT_MAPPED);
	assert_int_equal(guest_stats(guest).pages_2m, 2);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void zapping_leaves_keeps_the_tables(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);
	int64_t tables = guest_stats(guest).tables;

	tdp_mmu_zap_range(guest->vm, tdp_gfn(0), 1ULL << 36);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, tables);
	assert_int_equal(guest_count(guest, TDP_TRACE_PREPARE_ZAP_PAGE), 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 1);
}

static void zapping_what_is_not_mapped_flushes_nothing(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);

	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT + 1), 63);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 0);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(~0ULL >> 12), ~0ULL);
	guest_expect_as(guest, NULL, 0);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 17);
}

static void a_range_reaches_every_address_space(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);
	struct tdp_memslot slot = guest_slot_of(guest, 1, AT, 16, 0);

	slot.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 1);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 0, tdp_gfn(AT)), TDP_NOT_MAPPED);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 1, tdp_gfn(AT)), TDP_NOT_MAPPED);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 0, tdp_gfn(AT + 64)), TDP_4K);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 1);
}

/* The host takes pages away */

static void discarded_pages_are_unmapped_with_one_flush(void **state)
{
	struct guest *guest = guest_make(state);
	uint64_t hva;

	guest_slot(guest, 1, AT, 1024, 0);
	for (unsigned int i = 0; i < 8; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	guest_forget(guest);
	guest_discard(guest, 2, 4);
	hva = guest->backing->hva;
	guest_expect(guest, TDP_TRACE_UNMAP_HVA_RANGE, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_FLUSH);
	assert_int_equal(guest->events[0].unmap_hva.start, hva + 0x2000);
	assert_int_equal(guest->events[0].unmap_hva.end, hva + 0x6000);
	assert_int_equal(guest->events[5].flush.pages, 0);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(guest_level(guest, AT + i), i < 2 || i > 5 ? TDP_4K : 0);
	assert_int_equal(tdp_anon_touched(guest->anon), 4);
	assert_int_equal(guest_touch(guest, AT + 2, TDP_WRITE), 1);
}

static void discarding_what_was_not_mapped_flushes_nothing(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	guest_discard(guest, 100, 100);
	guest_expect(guest, TDP_TRACE_UNMAP_HVA_RANGE);
}

static void memory_behind_several_slots_is_unmapped_in_all_with_one_flush(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_memslot smm;

	guest_slot(guest, 1, AT, 16, 0);
	guest_slot(guest, 2, 2 * AT, 16, 0);
	guest_slot_read_only(guest, 3, 3 * AT, 16, 0);
	smm = guest_slot_of(guest, 1, AT, 16, 0);
	smm.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &smm), 0);
	for (unsigned int i = 1; i <= 3; i++)
		guest_touch(guest, i * AT + 5, TDP_READ);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT + 5, TDP_READ);
	guest_forget(guest);
	guest_discard(guest, 5, 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 4);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 1);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

static void a_hole_in_the_host_reaches_only_the_slots_over_it(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 16, 100);
	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	/* Just before and just behind. */
	guest_discard(guest, 0, 100);
	guest_discard(guest, 116, 100);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
	guest_discard(guest, 90, 11);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
}

static void half_pages_are_rounded_outwards(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);
	uint64_t hva = guest->backing->hva;

	tdp_host_invalidate_begin(guest->host, hva + 0xfff, hva + 0x1000);
	tdp_host_invalidate_end(guest->host, hva + 0xfff, hva + 0x1000);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	tdp_host_invalidate_begin(guest->host, hva + (64 << 12), hva + (64 << 12) + 1);
	tdp_host_invalidate_end(guest->host, hva + (64 << 12), hva + (64 << 12) + 1);
	assert_int_equal(guest_level(guest, AT + 64), TDP_NOT_MAPPED);
	assert_int_equal(guest_level(guest, AT + 128), TDP_4K);
}

/* All roots */

static void dropping_all_roots_unmaps_everything_without_a_flush(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);
	tdp_pfn_t old = tdp_vcpu_root(guest->vcpu);
	struct tdp_stats stats;

	tdp_mmu_zap_all_fast(guest->vm);
	stats = guest_stats(guest);
	assert_int_equal(stats.pages_4k, 0);
	assert_int_equal(stats.tables, 0);
	assert_int_equal(stats.remote_tlb_flush_requests, 0);
	assert_int_equal(guest->events[0].kind, TDP_TRACE_ZAP_ALL_FAST);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 0);

	/* The next entry loads another root and maps anew. */
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	assert_int_not_equal(tdp_vcpu_root(guest->vcpu).n, old.n);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
}

static size_t first_change(const struct guest *guest, unsigned int level)
{
	for (size_t i = 0; i < guest->event_count; i++)
		if (guest->events[i].kind == TDP_TRACE_SPTE_CHANGED &&
		    guest->events[i].spte_changed.level == level)
			return i;
	fail();
	return 0;
}

static void since_6_9_a_root_is_zapped_level_by_level(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);
	uint64_t leaf = guest->config.vm.format == TDP_EPT ? 0x8600000000000b77 : 0xe67;
	uint64_t table = guest->config.vm.format == TDP_EPT ? 0x8000000000000907 : 0x827;

	tdp_mmu_zap_all_fast(guest->vm);
	/* Leaves first, and none is found in a table when that goes. */
	assert_int_equal(guest_changes(guest, 1, leaf, guest_nonpresent(guest)), 17);
	assert_int_equal(guest_changes(guest, 1, leaf, guest_frozen(guest)), 0);
	assert_int_equal(guest_changes(guest, 2, table, guest_nonpresent(guest)), 3);
	assert_int_equal(guest_changes(guest, 2, table, guest_frozen(guest)), 0);
	assert_int_equal(guest_changes(guest, 4, table, guest_nonpresent(guest)), 1);
	assert_true(first_change(guest, 1) < first_change(guest, 2));
	assert_true(first_change(guest, 2) < first_change(guest, 3));
	assert_true(first_change(guest, 3) < first_change(guest, 4));
}

static void until_6_8_a_root_was_zapped_in_steps_of_1g(void **state)
{
	struct guest *guest =
		touched(state, TDP_4K,
			&(struct guest_config){.scripted = true, .policy.zap_each_level = TDP_OFF});
	uint64_t leaf = guest->config.vm.format == TDP_EPT ? 0x8600000000000b77 : 0xe67;
	uint64_t table = guest->config.vm.format == TDP_EPT ? 0x8000000000000907 : 0x827;

	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(guest_changes(guest, 1, leaf, guest_nonpresent(guest)), 0);
	assert_int_equal(guest_changes(guest, 1, leaf, guest_frozen(guest)), 17);
	assert_int_equal(guest_changes(guest, 2, table, guest_frozen(guest)), 3);
	assert_int_equal(guest_changes(guest, 3, table, guest_nonpresent(guest)), 2);
	assert_int_equal(guest_changes(guest, 4, table, guest_nonpresent(guest)), 1);
	assert_true(first_change(guest, 3) < first_change(guest, 1));
}

static void five_level_roots_end_with_their_own_level(void **state)
{
	struct guest *guest =
		touched(state, TDP_4K, &(struct guest_config){.scripted = true, .vm.levels = 5});

	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, 0);
	/* No pass of its own for level 4: it goes with its parent. */
	assert_true(first_change(guest, 3) < first_change(guest, 5));
	assert_true(first_change(guest, 5) < first_change(guest, 4));
}

static void a_fast_zap_gives_its_tables_back_to_the_host(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_host_memory mapped, zapped;

	guest_slot(guest, 1, AT, 1024, 0);
	guest_touch(guest, AT, TDP_WRITE);
	tdp_host_usage(guest->host, &mapped);
	tdp_mmu_zap_all_fast(guest->vm);
	tdp_host_usage(guest->host, &zapped);
	assert_int_equal(zapped.table_frames, mapped.table_frames - 3); /* all but the root */
}

static void the_generation_of_fast_zaps_alternates(void **state)
{
	struct guest *guest = guest_make(state);

	for (unsigned int i = 0; i < 3; i++)
		tdp_mmu_zap_all_fast(guest->vm);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(
			guest_event(guest, TDP_TRACE_ZAP_ALL_FAST, i)->zap_all_fast.generation,
			i & 1);
}

static void ending_a_vm_flushes_nothing(void **state)
{
	struct guest *guest = touched(state, TDP_2M, &scripted);

	assert_int_equal(guest_violations(guest), 0);
	guest_forget(guest);
	guest_end_vm(guest);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 0);
	assert_true(guest_count(guest, TDP_TRACE_SPTE_CHANGED) > 0);
	/* Under the exclusive lock a table's empty entries are left alone, and have no event. */
	assert_int_equal(guest_changes(guest, 1, guest_nonpresent(guest), guest_frozen(guest)), 0);
	assert_int_equal(guest_changes(guest, 2, guest_nonpresent(guest), guest_frozen(guest)), 0);
}

/* Slots */

static void deleting_a_slot_drops_all_roots_by_default(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);

	guest_slot_delete(guest, 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 0);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	assert_int_equal(guest_stats(guest).tables, 0);
	assert_int_equal(guest_touch(guest, 2 * AT, TDP_WRITE), 1);
}

static void without_the_quirk_only_the_slots_leaves_go(void **state)
{
	struct guest *guest =
		touched(state, TDP_4K,
			&(struct guest_config){.scripted = true, .policy.slot_zap_all = TDP_OFF});
	int64_t tables = guest_stats(guest).tables;

	guest_slot_delete(guest, 1);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 1);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	assert_int_equal(guest_stats(guest).tables, tables);
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	assert_int_equal(guest_touch(guest, 2 * AT, TDP_WRITE), 0);
	assert_int_equal(guest_access(guest, AT << 12, TDP_READ).outcome, TDP_ACCESS_MMIO);
}

static void without_the_quirk_an_untouched_slot_goes_without_a_flush(void **state)
{
	struct guest *guest = guest_make(state, .policy.slot_zap_all = TDP_OFF);

	guest_slot(guest, 1, AT, 16, 0);
	guest_slot(guest, 2, 2 * AT, 16, 16);
	guest_touch(guest, 2 * AT, TDP_READ);
	guest_forget(guest);
	guest_slot_delete(guest, 1);
	guest_expect_as(guest, NULL, 0);
}

static void without_the_quirk_the_other_address_space_keeps_its_own(void **state)
{
	struct guest *guest = guest_make(state, .policy.slot_zap_all = TDP_OFF);
	struct tdp_memslot slot;

	guest_slot(guest, 1, AT, 16, 0);
	slot = guest_slot_of(guest, 1, AT, 16, 0);
	slot.address_space = 1;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_slot_delete(guest, 1);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 0, tdp_gfn(AT)), TDP_NOT_MAPPED);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 1, tdp_gfn(AT)), TDP_4K);
}

static void a_moved_slot_is_mapped_at_its_new_place_only(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);
	tdp_pfn_t pfn = guest_walk(guest, AT, TDP_READ).pfn;

	guest_slot(guest, 1, 8 * AT, PAGES, 0);
	assert_int_equal(guest_access(guest, AT << 12, TDP_READ).outcome, TDP_ACCESS_MMIO);
	guest_touch(guest, 8 * AT, TDP_WRITE);
	assert_int_equal(guest_walk(guest, 8 * AT, TDP_READ).pfn.n, pfn.n);
}

/* Invalid roots */

/*
 * Memory that the host is about to free is zapped in invalid roots too. No vCPU uses them: no
 * flush.
 */
static void leaves_of_invalid_roots_go_without_a_flush(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);
	struct mmu_actor *task = mmu_task_get(&guest->vm->mmu);
	struct mmu_exclusive exclusive = mmu_lock_exclusive(task);
	struct gfn_range range = {tdp_gfn(AT), tdp_gfn(AT + 512)};

	roots_invalidate(exclusive);
	guest_forget(guest);
	assert_false(mmu_zap_leaves_in(exclusive, ROOTS_VALID, 0, range, true));
	assert_int_equal(guest->event_count, 0);
	assert_false(mmu_zap_leaves_in(exclusive, ROOTS_ALL, 0, range, true));
	assert_int_equal(guest->event_count, 8);
	mmu_unlock_exclusive(exclusive);
	mmu_zap_invalidated_roots(task);
	mmu_task_put(task);
	/* The vCPU got no request, as mmu_zap_all_fast() would have raised. */
	tdp_mmu_zap_all_fast(guest->vm);
}

static void until_6_8_they_owed_one_all_the_same(void **state)
{
	struct guest *guest = touched(
		state, TDP_4K,
		&(struct guest_config){.scripted = true, .policy.skip_invalid_roots = TDP_OFF});
	struct mmu_actor *task = mmu_task_get(&guest->vm->mmu);
	struct mmu_exclusive exclusive = mmu_lock_exclusive(task);
	struct gfn_range range = {tdp_gfn(AT), tdp_gfn(AT + 512)};

	roots_invalidate(exclusive);
	assert_true(mmu_zap_leaves_in(exclusive, ROOTS_ALL, 0, range, true));
	mmu_unlock_exclusive(exclusive);
	mmu_zap_invalidated_roots(task);
	mmu_task_put(task);
	tdp_mmu_zap_all_fast(guest->vm);
}

/* Marks the roots as mmu_zap_all_fast() does, and lets their entries be. */
static void invalidate_only(struct guest *guest)
{
	struct mmu_actor *task = mmu_task_get(&guest->vm->mmu);
	struct mmu_exclusive exclusive = mmu_lock_exclusive(task);

	roots_invalidate(exclusive);
	mmu_unlock_exclusive(exclusive);
	mmu_task_put(task);
	guest_forget(guest);
}

static void what_the_host_frees_goes_from_invalid_roots_too(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);

	invalidate_only(guest);
	guest_discard(guest, 0, 512);
	assert_int_equal(guest_stats(guest).pages_4k, 9);
	assert_int_equal(guest_count(guest, TDP_TRACE_FLUSH), 0);
	tdp_mmu_zap_all_fast(guest->vm);
}

static void since_6_9_a_range_is_zapped_in_valid_roots_only(void **state)
{
	struct guest *guest = touched(state, TDP_4K, &scripted);

	invalidate_only(guest);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 512);
	assert_int_equal(guest_stats(guest).pages_4k, 17);
	tdp_mmu_zap_all_fast(guest->vm);
}

static void until_6_8_a_range_was_zapped_in_all(void **state)
{
	struct guest *guest = touched(
		state, TDP_4K,
		&(struct guest_config){.scripted = true, .policy.skip_invalid_roots = TDP_OFF});

	invalidate_only(guest);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(AT), 512);
	assert_int_equal(guest_stats(guest).pages_4k, 9);
	tdp_mmu_zap_all_fast(guest->vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(zapping_one_page_leaves_its_neighbours),
		guest_tests(zapping_one_page_of_a_2m_mapping_unmaps_all_of_it),
		guest_test(zapping_leaves_keeps_the_tables),
		guest_test(zapping_what_is_not_mapped_flushes_nothing),
		guest_test(a_range_reaches_every_address_space),
		guest_tests(discarded_pages_are_unmapped_with_one_flush),
		guest_test(discarding_what_was_not_mapped_flushes_nothing),
		guest_test(memory_behind_several_slots_is_unmapped_in_all_with_one_flush),
		guest_test(a_hole_in_the_host_reaches_only_the_slots_over_it),
		guest_test(half_pages_are_rounded_outwards),
		guest_tests(dropping_all_roots_unmaps_everything_without_a_flush),
		guest_tests(since_6_9_a_root_is_zapped_level_by_level),
		guest_tests(until_6_8_a_root_was_zapped_in_steps_of_1g),
		guest_tests(five_level_roots_end_with_their_own_level),
		guest_tests(a_fast_zap_gives_its_tables_back_to_the_host),
		guest_test(the_generation_of_fast_zaps_alternates),
		guest_tests(ending_a_vm_flushes_nothing),
		guest_tests(deleting_a_slot_drops_all_roots_by_default),
		guest_tests(without_the_quirk_only_the_slots_leaves_go),
		guest_test(without_the_quirk_an_untouched_slot_goes_without_a_flush),
		guest_test(without_the_quirk_the_other_address_space_keeps_its_own),
		guest_tests(a_moved_slot_is_mapped_at_its_new_place_only),
		guest_test(leaves_of_invalid_roots_go_without_a_flush),
		guest_test(until_6_8_they_owed_one_all_the_same),
		guest_tests(what_the_host_frees_goes_from_invalid_roots_too),
		guest_test(since_6_9_a_range_is_zapped_in_valid_roots_only),
		guest_test(until_6_8_a_range_was_zapped_in_all),
	};

	return cmocka_run_group_tests_name("mmu/zap", tests, NULL, NULL);
}
