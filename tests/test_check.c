/*
 * The checker: a VM in order has no violation, whatever was done to it, and each
 * thing that can be wrong is called by its name and by no other. The wrong is done
 * by writing into the structures, as a bug would leave them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/iter.h>
#include <tdpsim/memslot.h>
#include <tdpsim/mmu.h>
#include <tdpsim/run.h>
#include <tdpsim/stats.h>

#include "host/anon.h"
#include "host/frame.h"
#include "mmu/flush.h"
#include "mmu/lookup.h"
#include "vm/vm.h"

#define BASE_GFN 0x40000 /* 1 GiB */
#define PAGES	 4096	 /* 16 MiB */
#define HOLE_GFN 0x100000

struct guest {
	struct tdp_host *host;
	struct tdp_anon *anon;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpu[2];
	uint64_t found[TDP_INVARIANTS];
	char first[512]; /* sentence */
};

struct shape {
	enum tdp_format format;
	enum tdp_baseline baseline;
	enum tdp_level page;
	bool no_ad;
	enum tdp_lock_policy lock;
	enum tdp_choice slot_zap_all;
};

static void slot_set(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages,
		     bool read_only)
{
	struct tdp_memslot slot = {
		.id = id,
		.gfn = tdp_gfn(gfn),
		.pages = pages,
		.backing = tdp_anon_backing(guest->anon),
		.read_only = read_only,
	};

	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

static void guest_begin(struct guest *guest, const struct shape *shape)
{
	struct tdp_host_config host = {
		.memory_bytes = 2ULL << 30,
		.table_bytes = 8ULL << 20,
		.check = true,
	};
	struct tdp_anon_config anon = {
		.bytes = PAGES * TDP_PAGE_SIZE,
		.page = shape->page,
	};
	struct tdp_vm_config vm = {
		.format = shape->format,
		.baseline = shape->baseline,
		.no_ad = shape->no_ad,
		.policy.lock = shape->lock,
		.policy.slot_zap_all = shape->slot_zap_all,
		.check = true,
	};

	if (shape->format == TDP_NPT)
		host.maxphyaddr = 48;
	memset(guest, 0, sizeof(*guest));
	assert_int_equal(tdp_host_create(&host, &guest->host), 0);
	assert_int_equal(tdp_anon_create(guest->host, &anon, &guest->anon), 0);
	assert_int_equal(tdp_vm_create(guest->host, &vm, &guest->vm), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(tdp_vcpu_create(guest->vm, NULL, &guest->vcpu[i]), 0);
	slot_set(guest, 0, BASE_GFN, PAGES, false);
}

static void guest_end(struct guest *guest)
{
	tdp_vm_destroy(guest->vm);
	tdp_anon_destroy(guest->anon);
	tdp_host_destroy(guest->host);
}

static int setup(void **state)
{
	static struct guest guest;

	guest_begin(&guest, &(struct shape){.page = TDP_4K});
	*state = &guest;
	return 0;
}

static int setup_2m(void **state)
{
	static struct guest guest;

	guest_begin(&guest, &(struct shape){.page = TDP_2M});
	*state = &guest;
	return 0;
}

static int teardown(void **state)
{
	guest_end(*state);
	return 0;
}

static enum tdp_outcome touch(struct guest *guest, unsigned int vcpu, uint64_t gfn,
			      enum tdp_access access)
{
	struct tdp_access_request request = {.address = gfn << TDP_PAGE_SHIFT, .access = access};
	struct tdp_access_result result;

	assert_int_equal(tdp_vcpu_access(guest->vcpu[vcpu], &request, &result), 0);
	return result.outcome;
}

static void touch_all(struct guest *guest, unsigned int vcpu, enum tdp_access access)
{
	for (uint64_t gfn = BASE_GFN; gfn < BASE_GFN + PAGES; gfn += 64)
		assert_int_equal(touch(guest, vcpu, gfn, access), TDP_ACCESS_DONE);
	assert_int_equal(touch(guest, vcpu, HOLE_GFN, TDP_READ), TDP_ACCESS_MMIO);
}

static void note_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	struct guest *guest = context;

	if (!guest->first[0])
		snprintf(guest->first, sizeof(guest->first), "%s: %s",
			 tdp_invariant_name(invariant), sentence);
	guest->found[invariant]++;
}

static uint64_t judge(struct guest *guest)
{
	memset(guest->found, 0, sizeof(guest->found));
	guest->first[0] = 0;
	return tdp_vm_check(guest->vm, note_violation, guest);
}

static void assert_in_order(struct guest *guest)
{
	uint64_t count = judge(guest);

	if (count)
		fail_msg("%llu violations; %s", (unsigned long long)count, guest->first);
}

/* Found, and nothing else was. */
static void assert_only(struct guest *guest, enum tdp_invariant invariant)
{
	uint64_t count = judge(guest);

	if (!count || guest->found[invariant] != count)
		fail_msg("wanted %s alone, got %llu of %llu; first %s",
			 tdp_invariant_name(invariant), (unsigned long long)guest->found[invariant],
			 (unsigned long long)count, guest->first);
}

/* The entry that the translation of `gfn` ends at, for vCPU 0. */
static struct lookup entry_of(const struct guest *guest, uint64_t gfn)
{
	return lookup_last(&guest->vm->mmu, guest->vcpu[0]->context.root, tdp_gfn(gfn));
}

/* The entry that links the table which `gfn`'s entry lies in. */
static atomic_u64 *link_of(const struct guest *guest, uint64_t gfn)
{
	return table_of_entry(guest->host, entry_of(guest, gfn).slot)->parent;
}

static uint64_t plant(atomic_u64 *slot, uint64_t value)
{
	uint64_t was = u64_load_relaxed(slot);

	u64_store_release(slot, value);
	return was;
}

/* A vCPU that no TLB entry of is in the way of what is planted below it. */
static void forget_translations(struct guest *guest)
{
	for (unsigned int i = 0; i < 2; i++)
		tdp_vcpu_flush_tlb(guest->vcpu[i]);
}

/* Replaces one entry for the time of a check that must find `invariant` alone. */
static void assert_planted(struct guest *guest, atomic_u64 *slot, uint64_t value,
			   enum tdp_invariant invariant)
{
	uint64_t was;

	forget_translations(guest);
	was = plant(slot, value);
	assert_only(guest, invariant);
	plant(slot, was);
	assert_in_order(guest);
}

static void work_and_check(const struct shape *shape)
{
	struct guest guest;

	guest_begin(&guest, shape);
	assert_in_order(&guest);
	touch_all(&guest, 0, TDP_READ);
	assert_in_order(&guest);
	touch_all(&guest, 1, TDP_WRITE);
	assert_in_order(&guest);
	assert_int_equal(tdp_anon_discard(guest.anon, 4 << 20, 4 << 20), 0);
	assert_in_order(&guest);
	touch_all(&guest, 0, TDP_WRITE);
	tdp_mmu_zap_range(guest.vm, tdp_gfn(BASE_GFN + 100), 1000);
	assert_in_order(&guest);
	touch_all(&guest, 1, TDP_FETCH);
	tdp_mmu_zap_all_fast(guest.vm);
	assert_in_order(&guest);
	touch_all(&guest, 0, TDP_WRITE);
	slot_set(&guest, 0, BASE_GFN + 512, PAGES, false);
	assert_in_order(&guest);
	assert_int_equal(touch(&guest, 0, BASE_GFN + 600, TDP_WRITE), TDP_ACCESS_DONE);
	assert_in_order(&guest);
	slot_set(&guest, 0, 0, 0, false);
	assert_in_order(&guest);
	slot_set(&guest, 3, BASE_GFN + 7, 700, true);
	assert_int_equal(touch(&guest, 0, BASE_GFN + 9, TDP_READ), TDP_ACCESS_DONE);
	assert_int_equal(touch(&guest, 0, BASE_GFN + 9, TDP_WRITE), TDP_ACCESS_MMIO);
	assert_in_order(&guest);
	guest_end(&guest);
}

static void a_vm_in_order_has_no_violation_in_any_shape(void **state)
{
	(void)state;
	for (int format = TDP_NPT; format <= TDP_EPT; format++)
		for (int baseline = TDP_BASELINE_LATEST; baseline <= TDP_BASELINE_6_12; baseline++)
			for (int page = TDP_4K; page <= TDP_2M; page++)
				for (int zap = TDP_ON; zap <= TDP_OFF; zap++)
					work_and_check(&(struct shape){
						.format = (enum tdp_format)format,
						.baseline = (enum tdp_baseline)baseline,
						.page = (enum tdp_level)page,
						.no_ad = format == TDP_EPT && zap == TDP_OFF,
						.lock = page == TDP_4K ? TDP_LOCK_PERCPU
								       : TDP_LOCK_EXCLUSIVE,
						.slot_zap_all = (enum tdp_choice)zap,
					});
}

static void an_entry_in_no_legal_state_is_found(void **state)
{
	struct guest *guest = *state;
	uint64_t leaf;

	touch_all(guest, 0, TDP_WRITE);
	leaf = u64_load_relaxed(entry_of(guest, BASE_GFN).slot);
	/* Zapped by hand, but not with the value for it. */
	assert_planted(guest, entry_of(guest, BASE_GFN + 1).slot, 0, TDP_INVARIANT_ENTRY);
	/* A leaf with a bit that nobody sets. */
	assert_planted(guest, entry_of(guest, BASE_GFN).slot, leaf | 1ULL << 59,
		       TDP_INVARIANT_ENTRY);
	/* Present for us, not for the hardware. */
	assert_planted(guest, entry_of(guest, BASE_GFN).slot, leaf & ~1ULL, TDP_INVARIANT_ENTRY);
}

static void a_frozen_entry_that_stays_is_found(void **state)
{
	struct guest *guest = *state;

	touch_all(guest, 0, TDP_WRITE);
	assert_planted(guest, entry_of(guest, BASE_GFN + 1).slot, guest->vm->mmu.encoding.frozen,
		       TDP_INVARIANT_FROZEN);
}

static void a_writable_leaf_of_a_page_that_may_not_be_written_is_found(void **state)
{
	struct guest *guest = *state;
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
	struct guest *guest = *state;
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
	struct guest *guest = *state;
	const struct encoding *e = &guest->vm->mmu.encoding;
	struct lookup found;

	touch_all(guest, 0, TDP_WRITE);
	touch(guest, 0, BASE_GFN, TDP_WRITE); /* the TLB has it */
	found = entry_of(guest, BASE_GFN);
	plant(found.slot, found.entry & ~e->write);
	assert_only(guest, TDP_INVARIANT_TLB);
	/* What a flush that was asked for is about to empty does not count. */
	mmu_flush_all(&guest->vcpu[1]->context.actor);
	assert_in_order(guest);
}

static void a_table_unlinked_without_a_flush_is_found_in_the_walk_caches(void **state)
{
	struct guest *guest = *state;
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

static void a_leaf_of_another_frame_is_found(void **state)
{
	struct guest *guest = *state;
	struct lookup found;

	touch_all(guest, 0, TDP_WRITE);
	found = entry_of(guest, BASE_GFN);
	/* Off by one page, in memory that is the process's own. */
	assert_planted(guest, found.slot, found.entry + TDP_PAGE_SIZE, TDP_INVARIANT_MAPPING);
	/* Memory that nobody has. */
	assert_planted(guest, found.slot, found.entry + (1ULL << 30), TDP_INVARIANT_MAPPING);
}

static void a_leaf_that_outlives_its_memory_is_found(void **state)
{
	struct guest *guest = *state;
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
	struct guest *guest = *state;
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
	struct guest *guest = *state;
	struct memslots *slots = memslots_of(&guest->vm->memory, 0);

	touch_all(guest, 0, TDP_WRITE);
	guest->anon->config.page = TDP_4K;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	guest->anon->config.page = TDP_2M;
	/* The slot's end cuts the last leaf. */
	slots->slot[0].pages--;
	assert_only(guest, TDP_INVARIANT_MAPPING);
	slots->slot[0].pages++;
	assert_in_order(guest);
}

static void an_mmio_entry_that_is_not_what_it_says_is_found(void **state)
{
	struct guest *guest = *state;
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
	struct guest *guest = *state;
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
	struct guest *guest = *state;
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
	struct guest *guest = *state;
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

static void a_zapped_root_that_maps_something_is_found(void **state)
{
	struct guest *guest = *state;
	struct table *root;
	struct tdp_iter *iter;
	atomic_u64 *slot;
	uint64_t was;

	touch_all(guest, 0, TDP_WRITE);
	root = guest->vcpu[0]->context.root;
	/* The iterator's reference keeps the invalid root on the list. */
	assert_int_equal(tdp_iter_begin(guest->vm, 0, tdp_gfn(0), 1 << 20, 1, &iter), 0);
	slot = &table_entries(guest->host, root)[5];
	tdp_mmu_zap_all_fast(guest->vm);
	assert_in_order(guest);
	was = plant(slot, guest->vm->mmu.encoding.table_bits | guest->vcpu[0]->context.root_pfn.n
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
	struct guest *guest = *state;

	touch_all(guest, 0, TDP_WRITE);
	tdp_mmu_zap_all_fast(guest->vm);
	assert_in_order(guest);
	u32_exchange_acq_rel(&guest->vcpu[0]->context.requests, 0);
	forget_translations(guest);
	assert_only(guest, TDP_INVARIANT_INVALID_ROOT);
	u32_or_seq_cst(&guest->vcpu[0]->context.requests, REQUEST_FREE_OBSOLETE_ROOTS);
	assert_in_order(guest);
}

static void a_reference_that_nobody_holds_is_found(void **state)
{
	struct guest *guest = *state;
	struct table *root;

	touch_all(guest, 0, TDP_WRITE);
	root = guest->vcpu[0]->context.root;
	u32_add_relaxed(&root->references, 1);
	assert_only(guest, TDP_INVARIANT_REFERENCE);
	u32_add_relaxed(&root->references, (uint32_t)-2);
	assert_only(guest, TDP_INVARIANT_REFERENCE);
	u32_add_relaxed(&root->references, 1);
	assert_in_order(guest);
}

static void a_counter_that_was_not_kept_is_found(void **state)
{
	struct guest *guest = *state;
	struct counters *counters = &guest->vcpu[0]->context.counters;

	touch_all(guest, 0, TDP_WRITE);
	for (int gauge = 0; gauge < GAUGES; gauge++) {
		gauge_add(&guest->vm->mmu.gauges, NULL, (enum gauge)gauge, 1);
		assert_only(guest, TDP_INVARIANT_COUNT);
		gauge_add(&guest->vm->mmu.gauges, NULL, (enum gauge)gauge, -1);
	}
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

static void what_was_noted_is_told_once(void **state)
{
	struct guest *guest = *state;

	mmu_note(&guest->vm->mmu, TDP_INVARIANT_STALE_ACCESS);
	mmu_note(&guest->vm->mmu, TDP_INVARIANT_STALE_ACCESS);
	assert_int_equal(judge(guest), 2);
	assert_int_equal(guest->found[TDP_INVARIANT_STALE_ACCESS], 1);
	assert_in_order(guest);
}

#define ROUNDS 200

struct busy {
	struct guest *guest;
	struct tdp_flag *stop;
};

static int run_vcpu(struct tdp_actor *self, void *arg)
{
	struct busy *busy = arg;
	unsigned int index = (unsigned int)tdp_actor_index(self);
	uint64_t random = index + 1;

	while (!tdp_flag_raised(busy->stop)) {
		struct tdp_access_request request = {0};
		struct tdp_access_result result;
		int err;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		request.address = (BASE_GFN + (random >> 33) % (PAGES + 8)) << TDP_PAGE_SHIFT;
		request.access = (enum tdp_access)((random >> 20) % 3);
		err = tdp_vcpu_access(busy->guest->vcpu[index], &request, &result);
		if (err)
			return err;
	}
	return 0;
}

static int run_host(struct tdp_actor *self, void *arg)
{
	struct busy *busy = arg;
	struct guest *guest = busy->guest;
	struct tdp_memslot slot = {.gfn = tdp_gfn(BASE_GFN)};
	int err = 0;

	(void)self;
	for (unsigned int round = 0; !tdp_flag_raised(busy->stop) && !err; round++) {
		err = tdp_anon_discard(guest->anon, (round % 8) << 21, 1 << 21);
		tdp_mmu_zap_range(guest->vm, tdp_gfn(BASE_GFN + round % PAGES), 64);
		if (round % 8 == 0)
			tdp_mmu_zap_all_fast(guest->vm);
		if (err || round % 32)
			continue;
		slot.pages = 0;
		err = tdp_vm_set_memslot(guest->vm, &slot);
		slot.pages = PAGES;
		slot.backing = tdp_anon_backing(guest->anon);
		err = err ? err : tdp_vm_set_memslot(guest->vm, &slot);
	}
	return err;
}

static int run_reader(struct tdp_actor *self, void *arg)
{
	struct busy *busy = arg;
	struct tdp_entry entry;
	struct tdp_iter *iter;

	(void)self;
	while (!tdp_flag_raised(busy->stop)) {
		if (tdp_iter_begin(busy->guest->vm, 0, tdp_gfn(0), 1 << 20, 1, &iter))
			continue;
		while (tdp_iter_next(iter, &entry))
			;
		tdp_iter_end(iter);
	}
	return 0;
}

static int run_checker(struct tdp_actor *self, void *arg)
{
	struct busy *busy = arg;
	uint64_t violations = 0;

	(void)self;
	for (unsigned int round = 0; round < ROUNDS && !violations; round++)
		violations = tdp_vm_check(busy->guest->vm, note_violation, busy->guest);
	tdp_flag_raise(busy->stop);
	return violations ? -1 : 0;
}

static void a_vm_at_work_stands_still_for_the_check_and_has_no_violation(void **state)
{
	struct guest *guest = *state;
	struct busy busy = {.guest = guest};
	const struct tdp_actor_config actors[] = {
		{.body = run_vcpu, .arg = &busy},    {.body = run_vcpu, .arg = &busy},
		{.body = run_host, .arg = &busy},    {.body = run_reader, .arg = &busy},
		{.body = run_checker, .arg = &busy},
	};

	assert_int_equal(tdp_flag_create(&busy.stop), 0);
	if (tdp_run(actors, sizeof(actors) / sizeof(actors[0]), NULL))
		fail_msg("%s", guest->first);
	assert_in_order(guest);
	tdp_flag_destroy(busy.stop);
}

static void every_invariant_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < TDP_INVARIANTS; i++)
		assert_non_null(tdp_invariant_name((enum tdp_invariant)i));
	assert_null(tdp_invariant_name(TDP_INVARIANTS));
}

#define guest_test(f)	 cmocka_unit_test_setup_teardown(f, setup, teardown)
#define guest_2m_test(f) cmocka_unit_test_setup_teardown(f, setup_2m, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_in_order_has_no_violation_in_any_shape),
		guest_test(an_entry_in_no_legal_state_is_found),
		guest_test(a_frozen_entry_that_stays_is_found),
		guest_test(a_writable_leaf_of_a_page_that_may_not_be_written_is_found),
		guest_test(a_missing_flush_is_found),
		guest_test(rights_taken_away_without_a_flush_are_found),
		guest_test(a_table_unlinked_without_a_flush_is_found_in_the_walk_caches),
		guest_test(a_leaf_of_another_frame_is_found),
		guest_test(a_leaf_that_outlives_its_memory_is_found),
		guest_test(a_leaf_that_outlives_its_slot_is_found),
		guest_2m_test(a_huge_leaf_over_small_pages_of_the_host_is_found),
		guest_test(an_mmio_entry_that_is_not_what_it_says_is_found),
		guest_test(a_table_freed_while_it_is_linked_is_found),
		guest_test(a_table_linked_twice_is_found),
		guest_test(a_table_of_another_level_or_gfn_is_found),
		guest_test(a_zapped_root_that_maps_something_is_found),
		guest_test(a_vcpu_that_was_not_told_to_leave_its_root_is_found),
		guest_test(a_reference_that_nobody_holds_is_found),
		guest_test(a_counter_that_was_not_kept_is_found),
		guest_test(what_was_noted_is_told_once),
		guest_test(a_vm_at_work_stands_still_for_the_check_and_has_no_violation),
		guest_2m_test(a_vm_at_work_stands_still_for_the_check_and_has_no_violation),
		cmocka_unit_test(every_invariant_has_a_name),
	};

	return cmocka_run_group_tests_name("vm/check", tests, NULL, NULL);
}
