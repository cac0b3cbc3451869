/*
 * Stale use while the VM runs: a vCPU that a flush missed, a table that was freed too early, a leaf
 * that an unmap missed. At rest nothing shows unless it is looked at, so the access that meets it
 * must report it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/iter.h>
#include <tdpsim/mmu.h>

#include "support/checked.h"

/* vCPU 1 is the youngest, so a flush reaches it first. */
static void *hide_from_flushes(struct checked *guest)
{
	struct mmu_context *first = ptr_load_acquire(&guest->vm->mmu.vcpus.youngest);

	assert_ptr_equal(first, &guest->vcpu[1]->context);
	ptr_store_release(&guest->vm->mmu.vcpus.youngest, first->next);
	return first;
}

static void show_to_flushes(struct checked *guest, void *first)
{
	ptr_store_release(&guest->vm->mmu.vcpus.youngest, first);
}

static void an_access_to_a_page_given_back_is_noted(void **state)
{
	struct checked *guest = *state;
	void *first;

	assert_int_equal(touch(guest, 1, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	first = hide_from_flushes(guest);
	assert_int_equal(tdp_anon_discard(guest->anon, 0, 2 << 20), 0);
	show_to_flushes(guest, first);
	/*
	 * Another vCPU gets the same frame for the same page: only the frame's age shows the
	 * difference.
	 */
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	assert_in_order(guest);
	assert_int_equal(touch(guest, 1, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	assert_only(guest, TDP_INVARIANT_STALE_ACCESS);
	tdp_vcpu_flush_tlb(guest->vcpu[1]);
	assert_int_equal(touch(guest, 1, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	assert_in_order(guest);
}

static void an_access_through_a_translation_taken_away_is_noted(void **state)
{
	struct checked *guest = *state;
	void *first;

	assert_int_equal(touch(guest, 1, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	first = hide_from_flushes(guest);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(BASE_GFN), 1);
	show_to_flushes(guest, first);
	assert_int_equal(touch(guest, 1, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	tdp_vcpu_flush_tlb(guest->vcpu[1]);
	assert_only(guest, TDP_INVARIANT_STALE_ACCESS);
	assert_in_order(guest);
}

static void a_write_after_the_right_was_taken_away_is_noted(void **state)
{
	struct checked *guest = *state;
	const struct encoding *e = &guest->vm->mmu.encoding;
	struct lookup found;

	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	found = entry_of(guest, BASE_GFN);
	plant(found.slot, found.entry & ~e->write);
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	tdp_vcpu_flush_tlb(guest->vcpu[0]);
	assert_only(guest, TDP_INVARIANT_STALE_ACCESS);
}

/* Ageing without A/D flags takes rights and owes no flush; what else takes them does. */

static void grow_old(struct checked *guest)
{
	uint64_t hva = tdp_anon_backing(guest->anon)->hva;

	assert_true(tdp_host_age(guest->host, hva, hva + TDP_PAGE_SIZE));
}

static void what_ageing_took_may_be_used(void **state)
{
	struct checked *guest = *state;

	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	grow_old(guest);
	assert_in_order(guest);
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	/* R and X are back, W is not. */
	assert_int_equal(touch(guest, 1, BASE_GFN, TDP_READ), TDP_ACCESS_DONE);
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	assert_in_order(guest);
}

static void a_right_taken_since_the_ageing_is_noted(void **state)
{
	struct checked *guest = *state;
	const struct encoding *e = &guest->vm->mmu.encoding;
	struct lookup found;

	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	grow_old(guest);
	tdp_vcpu_flush_tlb(guest->vcpu[0]);
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	assert_in_order(guest);
	found = entry_of(guest, BASE_GFN);
	plant(found.slot, found.entry & ~e->write);
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	tdp_vcpu_flush_tlb(guest->vcpu[0]);
	assert_only(guest, TDP_INVARIANT_STALE_ACCESS);
}

static void what_ageing_could_not_take_is_noted(void **state)
{
	struct checked *guest = *state;
	const struct encoding *e = &guest->vm->mmu.encoding;
	uint64_t old;

	/* Another frame; and a leaf that gets no right to write back. */
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	assert_int_equal(touch(guest, 0, BASE_GFN + 1, TDP_WRITE), TDP_ACCESS_DONE);
	grow_old(guest);
	old = entry_of(guest, BASE_GFN).entry;
	plant(entry_of(guest, BASE_GFN).slot, old ^ 3 * TDP_PAGE_SIZE);
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	plant(entry_of(guest, BASE_GFN).slot, old);
	assert_only(guest, TDP_INVARIANT_STALE_ACCESS);
	plant(entry_of(guest, BASE_GFN).slot, old & ~e->mmu_writable);
	assert_only(guest, TDP_INVARIANT_TLB);
	plant(entry_of(guest, BASE_GFN).slot, old);
	assert_in_order(guest);
}

/* As table_free_deferred() would without its grace period. */
static struct table *free_at_once(struct checked *guest, uint64_t gfn)
{
	struct table *table = table_of_entry(guest->host, entry_of(guest, gfn).slot);

	table_free_now(&guest->vcpu[1]->context.actor.caller, table);
	return table;
}

/* The frame again, so that the VM can be taken down. */
static void take_again(struct checked *guest, struct table *table)
{
	struct mmu_actor *actor = &guest->vcpu[1]->context.actor;
	atomic_u64 *parent = table->parent;
	tdp_gfn_t gfn = table->gfn;
	uint32_t role = u32_load_relaxed(&table->role);
	struct table *again;

	assert_int_equal(table_alloc(&actor->caller, actor->mmu->encoding.nonpresent, &again), 0);
	assert_ptr_equal(again, table);
	again->parent = parent;
	again->gfn = gfn;
	u32_store_relaxed(&again->role, role);
}

static void a_walk_into_a_freed_table_is_noted(void **state)
{
	struct checked *guest = *state;
	struct tdp_access_request request = {.address = (uint64_t)BASE_GFN << TDP_PAGE_SHIFT};
	struct tdp_access_result result;
	struct table *table;

	touch(guest, 0, BASE_GFN, TDP_WRITE);
	tdp_vcpu_flush_tlb(guest->vcpu[0]);
	table = free_at_once(guest, BASE_GFN);
	assert_int_equal(tdp_vcpu_enter(guest->vcpu[0], &request, &result), 0);
	assert_int_not_equal(result.outcome, TDP_ACCESS_DONE);
	take_again(guest, table);
	gauge_add(&guest->vm->mmu.gauges, NULL, GAUGE_PAGES_4K, -1);
	assert_only(guest, TDP_INVARIANT_LIFETIME);
	assert_in_order(guest);
}

static void a_fault_that_meets_a_freed_table_is_noted(void **state)
{
	struct checked *guest = *state;
	struct tdp_fault fault = {.gpa = (uint64_t)BASE_GFN << TDP_PAGE_SHIFT, .error_code = 7};
	enum tdp_fault_result result;
	struct table *table;

	touch(guest, 0, BASE_GFN, TDP_WRITE);
	tdp_vcpu_flush_tlb(guest->vcpu[0]);
	table = free_at_once(guest, BASE_GFN);
	tdp_vcpu_fault(guest->vcpu[0], &fault, &result);
	take_again(guest, table);
	gauge_add(&guest->vm->mmu.gauges, NULL, GAUGE_PAGES_4K, -1);
	assert_only(guest, TDP_INVARIANT_LIFETIME);
	assert_in_order(guest);
}

static void an_iterator_over_a_freed_table_is_noted(void **state)
{
	struct checked *guest = *state;
	struct tdp_entry entry;
	struct tdp_iter *iter;
	struct table *table;

	touch(guest, 0, BASE_GFN, TDP_WRITE);
	tdp_vcpu_flush_tlb(guest->vcpu[0]);
	assert_int_equal(tdp_iter_begin(guest->vm, 0, tdp_gfn(BASE_GFN), 8, 1, &iter), 0);
	do
		assert_true(tdp_iter_next(iter, &entry));
	while (entry.level != TDP_4K);
	table = free_at_once(guest, BASE_GFN);
	while (tdp_iter_next(iter, &entry))
		;
	tdp_iter_end(iter);
	take_again(guest, table);
	gauge_add(&guest->vm->mmu.gauges, NULL, GAUGE_PAGES_4K, -1);
	assert_only(guest, TDP_INVARIANT_LIFETIME);
	assert_in_order(guest);
}

static void a_leaf_taken_away_after_its_frame_is_noted(void **state)
{
	struct checked *guest = *state;
	struct lookup found;

	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	found = entry_of(guest, BASE_GFN);
	assert_int_equal(tdp_anon_discard(guest->anon, 0, 2 << 20), 0);
	/* As if the unmap had left out this root, which is zapped only now. */
	plant(found.slot, found.entry);
	gauge_add(&guest->vm->mmu.gauges, NULL, gauge_of_leaves(found.level), 1);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(BASE_GFN), 1);
	assert_only(guest, TDP_INVARIANT_MAPPING);
	assert_in_order(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(an_access_to_a_page_given_back_is_noted),
		guest_2m_test(an_access_to_a_page_given_back_is_noted),
		guest_test(an_access_through_a_translation_taken_away_is_noted),
		guest_test(a_write_after_the_right_was_taken_away_is_noted),
		guest_no_ad_test(what_ageing_took_may_be_used),
		guest_no_ad_test(a_right_taken_since_the_ageing_is_noted),
		guest_no_ad_test(what_ageing_could_not_take_is_noted),
		guest_test(a_walk_into_a_freed_table_is_noted),
		guest_test(a_fault_that_meets_a_freed_table_is_noted),
		guest_test(an_iterator_over_a_freed_table_is_noted),
		guest_test(a_leaf_taken_away_after_its_frame_is_noted),
		guest_2m_test(a_leaf_taken_away_after_its_frame_is_noted),
	};

	return cmocka_run_group_tests_name("check stale", tests, NULL, NULL);
}
