/*
 * Violations planted: each thing that can be wrong is called by its name and by no
 * other. The wrong is done by writing into the structures, as a bug would leave them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/iter.h>
#include <tdpsim/mmu.h>

#include "guest/anon.h"
#include "host/frame.h"
#include "mmu/flush.h"
#include "support/checked.h"

static void an_entry_in_no_legal_state_is_found(void **state)
{
	struct checked *guest = *state;
	uint64_t leaf;

	touch_all(guest, 0, TDP_WRITE);
	leaf = u64_load_relaxed(entry_of(guest, BASE_GFN).slot);
	/* Zapped by the test, but not to the non-present value. */
	assert_planted(guest, entry_of(guest, BASE_GFN + 1).slot, 0, TDP_INVARIANT_ENTRY);
	/* A leaf with a bit that the MMU never sets. */
	assert_planted(guest, entry_of(guest, BASE_GFN).slot, leaf | 1ULL << 59,
		       TDP_INVARIANT_ENTRY);
	/* Present for us, not for the hardware. */
	assert_planted(guest, entry_of(guest, BASE_GFN).slot, leaf & ~1ULL, TDP_INVARIANT_ENTRY);
}

static void a_frozen_entry_that_stays_is_found(void **state)
{
	struct checked *guest = *state;

	touch_all(guest, 0, TDP_WRITE);
	assert_planted(guest, entry_of(guest, BASE_GFN + 1).slot, guest->vm->mmu.encoding.frozen,
		       TDP_INVARIANT_FROZEN);
}

static void a_writable_leaf_of_a_page_that_may_not_be_written_is_found(void **state)
{
	struct checked *guest = *state;
	const struct encoding *e = &guest->vm->mmu.encoding;
	struct lookup found;

	touch_all(guest, 0, TDP_WRITE);
	found = entry_of(guest, BASE_GFN);
	assert_planted(guest, found.slot, found.entry & ~e->mmu_writable,
		       TDP_INVARIANT_WRITABILITY);
	assert_planted(guest, found.slot, found.entry & ~e->host_writable,
		       TDP_INVARIANT_WRITABILITY);
}

static void a_missing_flush_is_found(void **state)
{
	struct checked *guest = *state;
	struct lookup found;

	touch_all(guest, 0, TDP_WRITE);
	touch(guest, 0, BASE_GFN, TDP_WRITE); /* the TLB has it */
	found = entry_of(guest, BASE_GFN);
	/* As mmu_zap_leaves() does it; its caller forgets the flush. */
	plant(found.slot, guest->vm->mmu.encoding.nonpresent);
	gauge_add(&guest->vm->mmu.gauges, NULL, GAUGE_PAGES_4K, -1);
	assert_only(guest, TDP_INVARIANT_TLB);
	mmu_flush_all(&guest->vcpu[1]->context.actor);
	assert_in_order(guest);
}

static void rights_taken_away_without_a_flush_are_found(void **state)
{
	struct checked *guest = *state;
	const struct encoding *e = &guest->vm->mmu.encoding;
	struct lookup found;

	touch_all(guest, 0, TDP_WRITE);
	touch(guest, 0, BASE_GFN, TDP_WRITE); /* the TLB has it */
	found = entry_of(guest, BASE_GFN);
	plant(found.slot, found.entry & ~e->write);
	assert_only(guest, TDP_INVARIANT_TLB);
	/* An entry that a requested flush is about to drop does not count. */
	mmu_flush_all(&guest->vcpu[1]->context.actor);
	assert_in_order(guest);
}

static void a_table_unlinked_without_a_flush_is_found_in_the_walk_caches(void **state)
{
	struct checked *guest = *state;
	struct tdp_vm *vm = guest->vm;
	atomic_u64 *link;
	uint64_t was;

	touch_all(guest, 0, TDP_WRITE);
	link = link_of(guest, BASE_GFN);
	tdp_mmu_zap_range(vm, tdp_gfn(BASE_GFN), 512);
	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	memset(guest->vcpu[0]->context.tlb.entries, 0, sizeof(guest->vcpu[0]->context.tlb.entries));
	was = plant(link, vm->mmu.encoding.nonpresent);
	gauge_add(&vm->mmu.gauges, NULL, GAUGE_TABLES, -1);
	gauge_add(&vm->mmu.gauges, NULL, GAUGE_PAGES_4K, -1);
	assert_only(guest, TDP_INVARIANT_TLB);
	plant(link, was);
	gauge_add(&vm->mmu.gauges, NULL, GAUGE_TABLES, 1);
	gauge_add(&vm->mmu.gauges, NULL, GAUGE_PAGES_4K, 1);
}

static void a_root_loaded_without_a_flush_is_found(void **state)
{
	struct checked *guest = *state;
	struct mmu_context *context = &guest->vcpu[0]->context;
	struct tlb before;

	touch_all(guest, 0, TDP_WRITE);
	before = context->tlb;
	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu[0]), 0);
	assert_in_order(guest);
	context->tlb = before; /* as if loading had left it alone */
	assert_only(guest, TDP_INVARIANT_TLB);
}

static void a_leaf_of_another_frame_is_found(void **state)
{
	struct checked *guest = *state;
	struct lookup found;

	touch_all(guest, 0, TDP_WRITE);
	found = entry_of(guest, BASE_GFN);
	/* Off by one page, in memory that is the process's own. */
	assert_planted(guest, found.slot, found.entry + TDP_PAGE_SIZE, TDP_INVARIANT_MAPPING);
	/* Memory that is not allocated. */
	assert_planted(guest, found.slot, found.entry + (1ULL << 30), TDP_INVARIANT_MAPPING);
}

static void a_leaf_that_outlives_its_memory_is_found(void **state)
{
	struct checked *guest = *state;
	struct lookup found;
	uint64_t leaf;

	touch_all(guest, 0, TDP_WRITE);
	found = entry_of(guest, BASE_GFN);
	leaf = found.entry;
	assert_int_equal(tdp_anon_discard(guest->anon, 0, TDP_PAGE_SIZE), 0);
	/* As if the unmap had missed it. */
	plant(found.slot, leaf);
	gauge_add(&guest->vm->mmu.gauges, NULL, GAUGE_PAGES_4K, 1);
	assert_only(guest, TDP_INVARIANT_MAPPING);
	plant(found.slot, guest->vm->mmu.encoding.nonpresent);
	gauge_add(&guest->vm->mmu.gauges, NULL, GAUGE_PAGES_4K, -1);
}

static void a_leaf_that_outlives_its_slot_is_found(void **state)
{
	struct checked *guest = *state;
	struct memslots *slots = memslots_of(&guest->vm->memory, 0);

	touch_all(guest, 0, TDP_WRITE);
	/* As if deleting the slot had not dropped what it maps. */
	slots->count--;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	slots->count++;
	slots->slot[0].read_only = true;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	slots->slot[0].read_only = false;
	slots->slot[0].pages -= 64;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	slots->slot[0].pages += 64;
	assert_in_order(guest);
}

static void a_huge_leaf_over_small_pages_of_the_host_is_found(void **state)
{
	struct checked *guest = *state;
	struct memslots *slots = memslots_of(&guest->vm->memory, 0);

	touch_all(guest, 0, TDP_WRITE);
	guest->anon->map.config.level = TDP_4K;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	guest->anon->map.config.level = TDP_2M;
	/* The slot's end cuts the last leaf. */
	slots->slot[0].pages--;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	slots->slot[0].pages++;
	assert_in_order(guest);
}

static void an_mmio_entry_that_is_not_what_it_says_is_found(void **state)
{
	struct checked *guest = *state;
	const struct encoding *e = &guest->vm->mmu.encoding;
	uint64_t now = tdp_vm_memslot_generation(guest->vm);
	atomic_u64 *slot;

	touch_all(guest, 0, TDP_WRITE);
	slot = entry_of(guest, HOLE_GFN).slot;
	assert_planted(guest, slot, spte_make_mmio(e, tdp_gfn(HOLE_GFN + 1), now),
		       TDP_INVARIANT_ENTRY);
	assert_planted(guest, slot, spte_make_mmio(e, tdp_gfn(HOLE_GFN), now + 2),
		       TDP_INVARIANT_ENTRY);
	/* A hole that is none: the generation did not move when the slot came. */
	assert_int_equal(touch(guest, 0, BASE_GFN + PAGES + 1, TDP_READ), TDP_ACCESS_MMIO);
	memslots_of(&guest->vm->memory, 0)->slot[0].pages += 2;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	memslots_of(&guest->vm->memory, 0)->slot[0].pages -= 2;
}

static void a_table_freed_while_it_is_linked_is_found(void **state)
{
	struct checked *guest = *state;
	struct host_caller *caller = &guest->vcpu[1]->context.actor.caller;
	struct table *table, *again;

	touch_all(guest, 0, TDP_WRITE);
	forget_translations(guest);
	table = table_of_entry(guest->host, entry_of(guest, BASE_GFN).slot);
	plant(link_of(guest, BASE_GFN), u64_load_relaxed(table->parent));
	table_free_now(caller, table);
	judge(guest);
	assert_true(guest->found[TDP_INVARIANT_LIFETIME] == 1);
	/* The same frame again, so that the VM can be taken down. */
	assert_int_equal(table_alloc(caller, guest->vm->mmu.encoding.nonpresent, &again), 0);
	assert_ptr_equal(again, table);
}

static void a_table_linked_twice_is_found(void **state)
{
	struct checked *guest = *state;
	struct lookup found;
	atomic_u64 *link;

	touch_all(guest, 0, TDP_WRITE);
	link = link_of(guest, BASE_GFN);
	/* The next gigabyte's entry links the same table of level 2. */
	found = entry_of(guest, BASE_GFN + (1 << 18));
	assert_int_equal(found.level, TDP_1G);
	assert_planted(guest, found.slot,
		       u64_load_relaxed(table_of_entry(guest->host, link)->parent),
		       TDP_INVARIANT_LIFETIME);
}

static void a_table_of_another_level_or_gfn_is_found(void **state)
{
	struct checked *guest = *state;
	struct table *table;

	touch_all(guest, 0, TDP_WRITE);
	table = table_of_entry(guest->host, entry_of(guest, BASE_GFN).slot);
	table->gfn.n += 512;
	assert_only(guest, TDP_INVARIANT_ENTRY);
	table->gfn.n -= 512;
	assert_in_order(guest);
	assert_planted(guest, link_of(guest, BASE_GFN),
		       u64_load_relaxed(link_of(guest, BASE_GFN)) & ~2ULL, TDP_INVARIANT_ENTRY);
}

static void a_table_of_another_role_is_found(void **state)
{
	struct checked *guest = *state;
	struct table *table;
	uint32_t role;

	touch_all(guest, 0, TDP_WRITE);
	table = table_of_entry(guest->host, entry_of(guest, BASE_GFN).slot);
	role = u32_load_relaxed(&table->role);
	u32_store_relaxed(&table->role, role | ROLE_AD_DISABLED);
	judge(guest);
	assert_int_equal(guest->found[TDP_INVARIANT_ENTRY], 1);
	u32_store_relaxed(&table->role, role);
	assert_in_order(guest);
}

static void a_link_to_memory_that_is_no_table_is_found(void **state)
{
	struct checked *guest = *state;
	uint64_t link, leaf;
	atomic_u64 *slot;

	touch_all(guest, 0, TDP_WRITE);
	forget_translations(guest);
	leaf = u64_load_relaxed(entry_of(guest, BASE_GFN).slot);
	slot = link_of(guest, BASE_GFN);
	link = u64_load_relaxed(slot);
	/* The guest's own page in the place of the table that maps it. */
	plant(slot, (link & ~ENTRY_ADDRESS) | spte_pfn(leaf).n << TDP_PAGE_SHIFT);
	judge(guest);
	assert_int_equal(guest->found[TDP_INVARIANT_ENTRY], 1);
	plant(slot, link);
	assert_in_order(guest);
}

static void a_huge_leaf_of_unaligned_memory_is_found(void **state)
{
	struct checked *guest = *state;
	struct lookup found;

	touch_all(guest, 0, TDP_WRITE);
	forget_translations(guest);
	found = entry_of(guest, BASE_GFN);
	assert_int_equal(found.level, TDP_2M);
	/* Its bit 12 is PAT; 13 to 20 must be 0 (APM vol. 2, 5.3.4). */
	plant(found.slot, found.entry + 2 * TDP_PAGE_SIZE);
	judge(guest);
	assert_int_equal(guest->found[TDP_INVARIANT_ENTRY], 1);
	plant(found.slot, found.entry);
	assert_in_order(guest);
}

static void a_zapped_root_that_maps_something_is_found(void **state)
{
	struct checked *guest = *state;
	struct table *root;
	struct tdp_iter *iter;
	atomic_u64 *slot;
	uint64_t was;

	touch_all(guest, 0, TDP_WRITE);
	root = guest->vcpu[0]->context.root.table;
	/* The iterator's reference keeps the invalid root on the list. */
	assert_int_equal(tdp_iter_begin(guest->vm, 0, tdp_gfn(0), 1 << 20, 1, &iter), 0);
	slot = &table_entries(guest->host, root)[5];
	tdp_mmu_zap_all_fast(guest->vm);
	assert_in_order(guest);
	was = plant(slot, guest->vm->mmu.encoding.table_bits | guest->vcpu[0]->context.root.pfn.n
								       << TDP_PAGE_SHIFT);
	judge(guest);
	assert_true(guest->found[TDP_INVARIANT_INVALID_ROOT] == 1);
	plant(slot, was);
	root->zap_scheduled = true;
	u32_add_relaxed(&root->references, 1);
	assert_only(guest, TDP_INVARIANT_INVALID_ROOT);
	u32_add_relaxed(&root->references, (uint32_t)-1);
	root->zap_scheduled = false;
	tdp_iter_end(iter);
	assert_in_order(guest);
}

static void a_vcpu_that_was_not_told_to_leave_its_root_is_found(void **state)
{
	struct checked *guest = *state;

	touch_all(guest, 0, TDP_WRITE);
	tdp_mmu_zap_all_fast(guest->vm);
	assert_in_order(guest);
	u32_exchange_acq_rel(&guest->vcpu[0]->context.requests, 0);
	forget_translations(guest);
	assert_only(guest, TDP_INVARIANT_INVALID_ROOT);
	u32_or_seq_cst(&guest->vcpu[0]->context.requests, REQUEST_FREE_OBSOLETE_ROOTS);
	assert_in_order(guest);
}

static void a_violation_comes_with_the_entrys_history(void **state)
{
	struct checked *guest = *state;
	struct lookup found;

	touch(guest, 1, BASE_GFN, TDP_WRITE);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(BASE_GFN), 1);
	touch(guest, 0, BASE_GFN, TDP_WRITE);
	forget_translations(guest);
	found = entry_of(guest, BASE_GFN);
	plant(found.slot, found.entry + TDP_PAGE_SIZE);
	assert_only(guest, TDP_INVARIANT_MAPPING);
	plant(found.slot, found.entry);
	assert_non_null(strstr(guest->first, "; change -1: vCPU 0 made 0x"));
	assert_non_null(strstr(guest->first, "; change -2: a task made 0x"));
	assert_non_null(strstr(guest->first, "; change -3: vCPU 1 made 0x"));
}

static void a_reference_that_nobody_holds_is_found(void **state)
{
	struct checked *guest = *state;
	struct table *root;

	touch_all(guest, 0, TDP_WRITE);
	root = guest->vcpu[0]->context.root.table;
	u32_add_relaxed(&root->references, 1);
	assert_only(guest, TDP_INVARIANT_REFERENCE);
	u32_add_relaxed(&root->references, (uint32_t)-2);
	assert_only(guest, TDP_INVARIANT_REFERENCE);
	u32_add_relaxed(&root->references, 1);
	assert_in_order(guest);
}

static void a_counter_that_was_not_kept_is_found(void **state)
{
	struct checked *guest = *state;
	struct counters *counters = &guest->vcpu[0]->context.counters;

	touch_all(guest, 0, TDP_WRITE);
	for (int gauge = 0; gauge < GAUGES; gauge++) {
		gauge_add(&guest->vm->mmu.gauges, NULL, (enum gauge)gauge, 1);
		assert_only(guest, TDP_INVARIANT_COUNT);
		gauge_add(&guest->vm->mmu.gauges, NULL, (enum gauge)gauge, -1);
	}
	counter_bump(&counters->tlb_hits);
	assert_only(guest, TDP_INVARIANT_COUNT);
	counter_add(&counters->tlb_hits, (uint64_t)-1);
	counter_bump(&counters->pf_taken);
	assert_only(guest, TDP_INVARIANT_COUNT);
	counter_bump(&counters->retries);
	assert_only(guest, TDP_INVARIANT_COUNT); /* exits */
	counter_bump(&counters->exits);
	assert_in_order(guest);
	counter_add(&counters->pf_mmio_spte_created, (uint64_t)-1);
	assert_only(guest, TDP_INVARIANT_COUNT);
	counter_add(&counters->pf_mmio_spte_created, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(an_entry_in_no_legal_state_is_found),
		guest_test(a_frozen_entry_that_stays_is_found),
		guest_test(a_writable_leaf_of_a_page_that_may_not_be_written_is_found),
		guest_test(a_missing_flush_is_found),
		guest_test(rights_taken_away_without_a_flush_are_found),
		guest_test(a_table_unlinked_without_a_flush_is_found_in_the_walk_caches),
		guest_test(a_root_loaded_without_a_flush_is_found),
		guest_test(a_leaf_of_another_frame_is_found),
		guest_test(a_leaf_that_outlives_its_memory_is_found),
		guest_test(a_leaf_that_outlives_its_slot_is_found),
		guest_2m_test(a_huge_leaf_over_small_pages_of_the_host_is_found),
		guest_test(an_mmio_entry_that_is_not_what_it_says_is_found),
		guest_test(a_table_freed_while_it_is_linked_is_found),
		guest_test(a_table_linked_twice_is_found),
		guest_test(a_table_of_another_level_or_gfn_is_found),
		guest_test(a_table_of_another_role_is_found),
		guest_test(a_link_to_memory_that_is_no_table_is_found),
		guest_2m_test(a_huge_leaf_of_unaligned_memory_is_found),
		guest_test(a_zapped_root_that_maps_something_is_found),
		guest_test(a_vcpu_that_was_not_told_to_leave_its_root_is_found),
		guest_test(a_violation_comes_with_the_entrys_history),
		guest_test(a_reference_that_nobody_holds_is_found),
		guest_test(a_counter_that_was_not_kept_is_found),
	};

	return cmocka_run_group_tests_name("check planted", tests, NULL, NULL);
}
