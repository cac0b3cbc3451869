/*
 * Memory slots: what may be created, moved and deleted, what is refused, how the
 * generation moves, and that a change waits for open invalidations.
 */
#include "support/guest.h"

#include <errno.h>

#include "vm/vm.h"

#define AT 0x40000ULL

static int set(struct guest *guest, struct tdp_memslot slot)
{
	return tdp_vm_set_memslot(guest->vm, &slot);
}

static struct tdp_memslot slot_of(const struct guest *guest)
{
	return guest_slot_of(guest, 1, AT, 64, 0);
}

static bool served(struct guest *guest, uint64_t gfn)
{
	return guest_access(guest, gfn << TDP_PAGE_SHIFT, TDP_READ).outcome == TDP_ACCESS_DONE;
}

static void a_slot_serves_its_frames_and_no_others(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t base = tdp_host_carveout(guest->host).n;

	guest_slot(guest, 1, AT, 64, 100);
	assert_false(served(guest, AT - 1));
	assert_true(served(guest, AT));
	assert_true(served(guest, AT + 63));
	assert_false(served(guest, AT + 64));
	assert_int_equal(guest_walk(guest, AT, TDP_READ).pfn.n, base + 100);
	assert_int_equal(guest_walk(guest, AT + 63, TDP_READ).pfn.n, base + 163);
}

static void an_hva_of_zero_means_the_backings_beginning(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_memslot slot = slot_of(guest);

	slot.hva = 0;
	assert_int_equal(set(guest, slot), 0);
	guest_touch(guest, AT + 7, TDP_READ);
	assert_int_equal(guest_walk(guest, AT + 7, TDP_READ).pfn.n,
			 tdp_host_carveout(guest->host).n + 7);
}

static void many_slots_are_each_found(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t base = tdp_host_carveout(guest->host).n;

	/* In an order that is not that of the frames, with holes between. */
	for (unsigned int i = 0; i < TDP_MEMSLOTS; i++)
		guest_slot(guest, i, (i * 37 % TDP_MEMSLOTS) * 3, 2, i * 2);
	for (unsigned int i = 0; i < TDP_MEMSLOTS; i++) {
		uint64_t gfn = (i * 37 % TDP_MEMSLOTS) * 3;

		guest_touch(guest, gfn + 1, TDP_READ);
		assert_int_equal(guest_walk(guest, gfn + 1, TDP_READ).pfn.n, base + i * 2 + 1);
		assert_false(served(guest, gfn + 2));
	}
	for (unsigned int i = 0; i < TDP_MEMSLOTS; i += 7)
		guest_slot_delete(guest, i);
	for (unsigned int i = 0; i < TDP_MEMSLOTS; i++)
		assert_int_equal(served(guest, (i * 37 % TDP_MEMSLOTS) * 3), i % 7 != 0);
}

static void neighbours_may_touch(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 64, 0);
	guest_slot(guest, 2, AT + 64, 64, 64);
	guest_slot(guest, 3, AT - 64, 64, 128);
	assert_true(served(guest, AT + 64) && served(guest, AT - 1));
}

static void the_same_memory_may_lie_under_many_slots(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 64, 0);
	guest_slot(guest, 2, 2 * AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, 2 * AT, TDP_WRITE);
	assert_int_equal(guest_walk(guest, AT, TDP_READ).pfn.n,
			 guest_walk(guest, 2 * AT, TDP_READ).pfn.n);
}

static void a_deleted_slots_id_and_frames_are_free_again(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_slot_delete(guest, 1);
	assert_false(served(guest, AT));
	guest_slot_read_only(guest, 1, AT + 1, 16, 5);
	assert_false(served(guest, AT));
	assert_true(served(guest, AT + 1));
}

static void a_slot_moves_over_part_of_where_it_was(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	uint64_t base = tdp_host_carveout(guest->host).n;

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT + 40, TDP_WRITE);
	guest_slot(guest, 1, AT + 32, 64, 0);
	assert_false(served(guest, AT));
	guest_touch(guest, AT + 40, TDP_WRITE);
	assert_int_equal(guest_walk(guest, AT + 40, TDP_READ).pfn.n, base + 8);
}

static void setting_what_is_there_changes_nothing(void **state)
{
	struct guest *guest = guest_make(state);
	uint64_t generation;

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	generation = tdp_vm_memslot_generation(guest->vm);
	guest_forget(guest);
	guest_slot(guest, 1, AT, 64, 0);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), generation);
	assert_int_equal(guest->event_count, 0);
}

static void address_spaces_have_slots_of_their_own(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_memslot slot = slot_of(guest);

	assert_int_equal(set(guest, slot), 0);
	slot.address_space = 1;
	assert_int_equal(set(guest, slot), 0);
	slot.pages = 0;
	assert_int_equal(set(guest, slot), 0);
	assert_true(served(guest, AT));
	assert_int_equal(set(guest, slot), -ENOENT);
}

/* Refusals */

struct refusal {
	const char *what;
	void (*spoil)(struct tdp_memslot *slot);
	int err;
};

static void spoil_size(struct tdp_memslot *slot)
{
	slot->size = sizeof(size_t) - 1;
}

static void spoil_address_space(struct tdp_memslot *slot)
{
	slot->address_space = 2;
}

static void spoil_id(struct tdp_memslot *slot)
{
	slot->id = TDP_MEMSLOTS;
}

static void spoil_gfn(struct tdp_memslot *slot)
{
	slot->gfn = tdp_gfn((1ULL << 34) - 63);
}

static void spoil_gfn_so_that_it_overflows(struct tdp_memslot *slot)
{
	slot->gfn = tdp_gfn(~0ULL);
}

static void spoil_pages(struct tdp_memslot *slot)
{
	slot->pages = ~0ULL;
}

static void spoil_backing(struct tdp_memslot *slot)
{
	slot->backing = NULL;
}

static void spoil_hva(struct tdp_memslot *slot)
{
	slot->hva += 1;
}

static void put_hva_before_the_backing(struct tdp_memslot *slot)
{
	slot->hva -= TDP_PAGE_SIZE;
}

static void put_hva_behind_the_backing(struct tdp_memslot *slot)
{
	slot->hva += slot->backing->bytes + TDP_PAGE_SIZE;
}

static void ask_for_more_than_there_is(struct tdp_memslot *slot)
{
	slot->hva = slot->backing->hva + slot->backing->bytes - 63 * TDP_PAGE_SIZE;
}

static void overlap_the_end(struct tdp_memslot *slot)
{
	slot->gfn = tdp_gfn(2 * AT - 63);
}

static void overlap_the_beginning(struct tdp_memslot *slot)
{
	slot->gfn = tdp_gfn(2 * AT + 63);
}

static void lie_inside(struct tdp_memslot *slot)
{
	slot->gfn = tdp_gfn(2 * AT + 5);
	slot->pages = 1;
}

static void delete_what_is_not_there(struct tdp_memslot *slot)
{
	slot->pages = 0;
}

static void grow(struct tdp_memslot *slot)
{
	slot->id = 2;
	slot->gfn = tdp_gfn(2 * AT);
	slot->pages = 65;
}

static void shrink(struct tdp_memslot *slot)
{
	slot->id = 2;
	slot->gfn = tdp_gfn(2 * AT);
	slot->pages = 63;
}

static void make_read_only(struct tdp_memslot *slot)
{
	slot->id = 2;
	slot->gfn = tdp_gfn(2 * AT);
	slot->read_only = true;
}

static void change_the_memory(struct tdp_memslot *slot)
{
	slot->id = 2;
	slot->gfn = tdp_gfn(2 * AT);
	slot->hva += TDP_PAGE_SIZE;
}

static void move_onto_another(struct tdp_memslot *slot)
{
	slot->id = 2;
	slot->gfn = tdp_gfn(3 * AT + 1);
}

static const struct refusal refusals[] = {
	{"size", spoil_size, -EINVAL},
	{"address space", spoil_address_space, -EINVAL},
	{"id", spoil_id, -EINVAL},
	{"gfn", spoil_gfn, -EINVAL},
	{"gfn that overflows", spoil_gfn_so_that_it_overflows, -EINVAL},
	{"pages", spoil_pages, -EINVAL},
	{"no backing", spoil_backing, -EINVAL},
	{"hva", spoil_hva, -EINVAL},
	{"hva before", put_hva_before_the_backing, -EINVAL},
	{"hva behind", put_hva_behind_the_backing, -EINVAL},
	{"too large", ask_for_more_than_there_is, -EINVAL},
	{"overlaps the end", overlap_the_end, -EEXIST},
	{"overlaps the beginning", overlap_the_beginning, -EEXIST},
	{"inside", lie_inside, -EEXIST},
	{"delete nothing", delete_what_is_not_there, -ENOENT},
	{"grow", grow, -EINVAL},
	{"shrink", shrink, -EINVAL},
	{"read only", make_read_only, -EINVAL},
	{"other memory", change_the_memory, -EINVAL},
	{"move onto another", move_onto_another, -EEXIST},
};

static void what_is_refused_is_explained_and_changes_nothing(void **state)
{
	struct guest *guest = guest_make(state);
	uint64_t generation;

	guest_slot(guest, 2, 2 * AT, 64, 0);
	guest_slot(guest, 3, 3 * AT, 64, 0);
	guest_touch(guest, 2 * AT, TDP_WRITE);
	generation = tdp_vm_memslot_generation(guest->vm);
	guest_forget(guest);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct tdp_memslot slot = slot_of(guest);
		int err;

		refusals[i].spoil(&slot);
		err = set(guest, slot);
		if (err != refusals[i].err)
			print_error("%s: %d\n", refusals[i].what, err);
		guest_refused(guest, err, refusals[i].err);
	}
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), generation);
	assert_int_equal(guest->event_count, 0);
	assert_int_equal(guest_touch(guest, 2 * AT, TDP_WRITE), 0);
	assert_false(served(guest, AT));
}

static void a_backing_needs_its_callbacks(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_backing_ops ops = *guest->script.backing.ops;
	struct tdp_backing backing = guest->script.backing;
	struct tdp_memslot slot = slot_of(guest);

	slot.backing = &backing;
	backing.ops = NULL;
	guest_refused(guest, set(guest, slot), -EINVAL);
	backing.ops = &ops;
	ops.resolve = NULL;
	guest_refused(guest, set(guest, slot), -EINVAL);
	ops = *guest->script.backing.ops;
	ops.level = NULL;
	guest_refused(guest, set(guest, slot), -EINVAL);
	ops = *guest->script.backing.ops;
	ops.release = NULL;
	assert_int_equal(set(guest, slot), 0);
	assert_true(served(guest, AT));
	guest_slot_delete(guest, 1);
}

static void a_backing_promises_a_level_that_there_is(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_backing backing = guest->script.backing;
	struct tdp_memslot slot = slot_of(guest);

	slot.backing = &backing;
	backing.max_level = TDP_LEVEL_4;
	guest_refused(guest, set(guest, slot), -EINVAL);
	backing.max_level = (enum tdp_level)256;
	guest_refused(guest, set(guest, slot), -EINVAL);
}

/* Its end would be address 0, and no invalidation would reach it. */
static void a_backing_ends_below_the_last_address(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_backing backing = guest->script.backing;
	struct tdp_memslot slot = slot_of(guest);

	slot.backing = &backing;
	slot.hva = 0;
	backing.hva = ~0ULL - backing.bytes + 1;
	guest_refused(guest, set(guest, slot), -EINVAL);
}

/* Generations */

static void each_swap_moves_the_generation_by_the_number_of_address_spaces(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_memslot logged = slot_of(guest);

	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 0);
	guest_slot(guest, 1, AT, 64, 0);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 2);
	logged.log_dirty = true;
	assert_int_equal(set(guest, logged), 0);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 4);
	/* Moves and deletions swap twice. */
	guest_slot(guest, 1, 2 * AT, 64, 0);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 8);
	guest_slot_delete(guest, 1);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 12);
}

/* Puts the generation of address space 0 right before that number. */
static void wind_to(struct guest *guest, uint64_t generation)
{
	u64_store_release(&memslots_of(&guest->vm->memory, 0)->generation, generation);
}

static void a_generation_that_wraps_drops_all_roots(void **state)
{
	struct guest *guest = guest_make(state);

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	wind_to(guest, 0x80000 - 4);
	guest_forget(guest);
	guest_slot(guest, 2, 2 * AT, 64, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 0);
	guest_slot(guest, 3, 3 * AT, 64, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 1);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	guest_slot(guest, 4, 4 * AT, 64, 0);
	assert_int_equal(guest_count(guest, TDP_TRACE_ZAP_ALL_FAST), 1);
}

static void an_old_mmio_entry_does_not_match_after_a_wrap(void **state)
{
	struct guest *guest = guest_make(state);

	assert_false(served(guest, AT)); /* generation 0 */
	wind_to(guest, 0x80000 - 2);
	guest_slot(guest, 1, 2 * AT, 64, 0);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 0x80000);
	guest_forget(guest);
	assert_false(served(guest, AT));
	assert_int_equal(guest_count(guest, TDP_TRACE_MARK_MMIO_SPTE), 1);
}

static void a_generation_beyond_19_bits_still_matches_its_own_entries(void **state)
{
	struct guest *guest = guest_make(state);

	wind_to(guest, 0x123456780);
	guest_slot(guest, 1, 2 * AT, 64, 0);
	assert_false(served(guest, AT));
	assert_false(served(guest, AT + 1));
	guest_forget(guest);
	assert_false(served(guest, AT));
	assert_true(guest_event(guest, TDP_TRACE_CHECK_MMIO_SPTE, 0)->check_mmio.valid);
}

/* Against invalidations (M3) and faults */

struct race {
	struct guest *guest;
	struct tdp_flag *began, *ending, *changed;
	bool too_early;
};

static int invalidate(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;
	uint64_t hva = race->guest->backing->hva;
	unsigned int rounds = 0;
	int verdict = 0;

	(void)self;
	tdp_host_invalidate_begin(race->guest->host, hva, hva + TDP_PAGE_SIZE);
	tdp_flag_raise(race->began);
	for (unsigned int i = 0; i < 200; i++)
		tdp_pause(&rounds);
	if (tdp_flag_raised(race->changed))
		verdict = -1;
	tdp_flag_raise(race->ending);
	tdp_host_invalidate_end(race->guest->host, hva, hva + TDP_PAGE_SIZE);
	return verdict;
}

static int delete_slot(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;
	struct tdp_memslot slot = {.id = 1};
	unsigned int rounds = 0;
	int err;

	(void)self;
	while (!tdp_flag_raised(race->began))
		tdp_pause(&rounds);
	err = tdp_vm_set_memslot(race->guest->vm, &slot);
	if (!err && !tdp_flag_raised(race->ending))
		err = -2;
	tdp_flag_raise(race->changed);
	return err;
}

static void run_race(struct race *race, const struct tdp_actor_config *actors)
{
	assert_int_equal(tdp_flag_create(&race->began), 0);
	assert_int_equal(tdp_flag_create(&race->ending), 0);
	assert_int_equal(tdp_flag_create(&race->changed), 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_flag_destroy(race->began);
	tdp_flag_destroy(race->ending);
	tdp_flag_destroy(race->changed);
}

static void a_change_waits_until_no_invalidation_is_open(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .untraced = true);
	struct race race = {.guest = guest};
	struct tdp_actor_config actors[] = {
		{.body = invalidate, .arg = &race},
		{.body = delete_slot, .arg = &race},
	};

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	run_race(&race, actors);
	/* Begin and end saw the same slots: nothing is left in progress. */
	assert_int_equal(u64_load_relaxed(&guest->vm->mmu.watched.invalidation.in_progress), 0);
	assert_int_equal(u64_load_relaxed(&guest->vm->mmu.watched.invalidation.seq), 1);
}

static void linger(struct guest *guest)
{
	struct race *race = guest->race;
	unsigned int rounds = 0;

	guest->script.inside = NULL;
	tdp_flag_raise(race->began);
	for (unsigned int i = 0; i < 200; i++)
		tdp_pause(&rounds);
	race->too_early = tdp_flag_raised(race->changed);
	tdp_flag_raise(race->ending);
}

/* Faults once, and stays inside while it uses the slot. */
static int fault_slowly(struct tdp_actor *self, void *arg)
{
	struct race *race = arg;
	struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x100000006};
	enum tdp_fault_result result;
	int err;

	(void)self;
	race->guest->script.inside = linger;
	err = tdp_vcpu_fault(race->guest->vcpu, &fault, &result);
	return err || race->too_early ? -1 : 0;
}

static void a_change_waits_for_faults_that_hold_the_old_slot(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .untraced = true);
	struct race race = {.guest = guest};
	struct tdp_actor_config actors[] = {
		{.body = fault_slowly, .arg = &race},
		{.body = delete_slot, .arg = &race},
	};

	guest->race = &race;
	guest_slot(guest, 1, AT, 64, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	run_race(&race, actors);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

static void a_slot_on_its_way_out_makes_faults_retry(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x100000006};
	struct memslot *slot;
	enum tdp_fault_result result;

	guest_slot(guest, 1, AT, 64, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	slot = &memslots_of(&guest->vm->memory, 0)->slot[0];
	slot->invalid = true;
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	slot->invalid = false;
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_slot_serves_its_frames_and_no_others),
		guest_test(an_hva_of_zero_means_the_backings_beginning),
		guest_test(many_slots_are_each_found),
		guest_test(neighbours_may_touch),
		guest_test(the_same_memory_may_lie_under_many_slots),
		guest_test(a_deleted_slots_id_and_frames_are_free_again),
		guest_tests(a_slot_moves_over_part_of_where_it_was),
		guest_test(setting_what_is_there_changes_nothing),
		guest_test(address_spaces_have_slots_of_their_own),
		guest_test(what_is_refused_is_explained_and_changes_nothing),
		guest_test(a_backing_needs_its_callbacks),
		guest_test(a_backing_promises_a_level_that_there_is),
		guest_test(a_backing_ends_below_the_last_address),
		guest_test(each_swap_moves_the_generation_by_the_number_of_address_spaces),
		guest_tests(a_generation_that_wraps_drops_all_roots),
		guest_tests(an_old_mmio_entry_does_not_match_after_a_wrap),
		guest_tests(a_generation_beyond_19_bits_still_matches_its_own_entries),
		guest_test(a_change_waits_until_no_invalidation_is_open),
		guest_test(a_change_waits_for_faults_that_hold_the_old_slot),
		guest_test(a_slot_on_its_way_out_makes_faults_retry),
	};

	return cmocka_run_group_tests_name("vm/memslot", tests, NULL, NULL);
}
