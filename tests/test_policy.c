/*
 * Policies: the values of each baseline, that each field can be set by itself, and that it has its
 * effect. Those of zapping are in test_zap.c, that of huge faults in test_split.c.
 */
#include "support/guest.h"

#include <errno.h>
#include <string.h>

#include "vm/vm.h"

#define AT 0x40000ULL

/* Fields by number, so that a table can name them. */
#define FIELD(name)                                                                                \
	{                                                                                          \
#name, offsetof(struct tdp_policy, name)                                           \
	}

static const struct field {
	const char *name;
	size_t offset;
} choices[] = {
	FIELD(suppress_ve),	    FIELD(zap_flush_first),
	FIELD(spurious_if_allowed), FIELD(dirty_at_birth),
	FIELD(software_ad),	    FIELD(quiet_spurious),
	FIELD(shared_root_alloc),   FIELD(zap_each_level),
	FIELD(skip_invalid_roots),  FIELD(early_invalidation_check),
	FIELD(lockless_age),	    FIELD(slot_zap_all),
	FIELD(eager_split),	    FIELD(clear_splits_last),
	FIELD(nx_recovery_shared),  FIELD(nx_skip_logged),
	FIELD(nx_huge_pages),
};
/* Without what may pad the struct behind its last field. */
#define POLICY_BYTES (offsetof(struct tdp_policy, exit_keeps_log) + sizeof(enum tdp_choice))
#define CHOICES	     (sizeof(choices) / sizeof(choices[0]))

static enum tdp_choice *choice_of(struct tdp_policy *policy, size_t i)
{
	return (enum tdp_choice *)((char *)policy + choices[i].offset);
}

static struct tdp_policy resolved(const struct guest *guest, enum tdp_baseline baseline,
				  const struct tdp_policy *asked)
{
	struct tdp_vm_config config = {.baseline = baseline, .policy = asked};
	struct tdp_policy policy;
	struct tdp_vm *vm;

	assert_int_equal(tdp_vm_create(guest->host, &config, &vm), 0);
	policy = *tdp_vm_policy(vm);
	tdp_vm_destroy(vm);
	return policy;
}

static void nothing_is_left_as_the_baseline_has_it(void **state)
{
	struct guest *guest = guest_make_host(state, .untraced = true);

	for (enum tdp_baseline b = TDP_BASELINE_5_13; b <= TDP_BASELINE_7_2; b++) {
		struct tdp_policy policy = resolved(guest, b, NULL);

		for (size_t i = 0; i < CHOICES; i++)
			assert_int_not_equal(*choice_of(&policy, i), TDP_AS_BASELINE);
		assert_int_equal(policy.lock, TDP_LOCK_SHARED);
		assert_int_equal(policy.stats, TDP_STATS_SHARED);
		assert_int_equal(policy.range_flush, TDP_RANGE_FLUSH_FULL);
	}
}

#define NEVER 9999 /* on by default */

/* Which kernel brought it in: 610 is 6.10. */
static void each_change_came_with_its_kernel(void **state)
{
	static const unsigned int since[CHOICES] = {610, 610, 613, 613, 613, 613, 609, 609,  609,
						    609, 615, 0,   518, 602, 618, 602, NEVER};
	static const unsigned int kernel[] = {
		[TDP_BASELINE_5_13] = 513, [TDP_BASELINE_5_14] = 514, [TDP_BASELINE_6_1] = 601,
		[TDP_BASELINE_6_12] = 612, [TDP_BASELINE_6_16] = 616, [TDP_BASELINE_6_18] = 618,
		[TDP_BASELINE_7_2] = 702,
	};
	struct guest *guest = guest_make_host(state, .untraced = true);

	for (enum tdp_baseline b = TDP_BASELINE_5_13; b <= TDP_BASELINE_7_2; b++) {
		struct tdp_policy policy = resolved(guest, b, NULL);

		for (size_t i = 0; i < CHOICES; i++) {
			enum tdp_choice wanted = kernel[b] >= since[i] ? TDP_ON : TDP_OFF;

			if (*choice_of(&policy, i) != wanted)
				fail_msg("%s of %s", choices[i].name, tdp_baseline_name(b));
		}
		assert_int_equal(policy.huge_fault,
				 b <= TDP_BASELINE_6_1 ? TDP_HUGE_FAULT_ZAP : TDP_HUGE_FAULT_SPLIT);
	}
}

static void each_field_is_set_without_touching_the_others(void **state)
{
	struct guest *guest = guest_make_host(state, .untraced = true);

	for (size_t i = 0; i < CHOICES; i++)
		for (enum tdp_choice c = TDP_ON; c <= TDP_OFF; c++) {
			struct tdp_policy wanted = resolved(guest, TDP_BASELINE_6_12, NULL);
			struct tdp_policy asked = {0}, found;

			*choice_of(&asked, i) = *choice_of(&wanted, i) = c;
			found = resolved(guest, TDP_BASELINE_6_12, &asked);
			assert_memory_equal(&found, &wanted, POLICY_BYTES);
		}
}

/* Queries for programs */

static void each_row_has_a_name_a_help_and_words_for_its_values(void **state)
{
	const struct tdp_policy_info *info;
	unsigned int count = 0, value;

	(void)state;
	for (; (info = tdp_policy_describe(count)); count++) {
		assert_non_null(info->name);
		assert_non_null(info->help);
		for (unsigned int i = 0; i < count; i++)
			assert_string_not_equal(info->name, tdp_policy_describe(i)->name);
		for (enum tdp_baseline b = TDP_BASELINE_LATEST; b <= TDP_BASELINE_7_2; b++) {
			unsigned int words = 0;

			while (info->words[words])
				words++;
			assert_int_equal(tdp_policy_value(count, b, &value), 0);
			assert_in_range(value, 1, words);
		}
	}
	assert_int_equal(tdp_policy_value(count, TDP_BASELINE_6_1, &value), -ENOENT);
	assert_int_equal(tdp_policy_value(0, TDP_BASELINE_7_2 + 1, &value), -ENOENT);
}

static void a_row_says_what_a_vm_then_has(void **state)
{
	struct guest *guest = guest_make_host(state, .untraced = true);
	const struct tdp_policy_info *info;
	unsigned int found, value;

	for (enum tdp_baseline b = TDP_BASELINE_LATEST; b <= TDP_BASELINE_7_2; b++) {
		struct tdp_policy policy = resolved(guest, b, NULL);

		for (unsigned int i = 0; (info = tdp_policy_describe(i)); i++) {
			if (strcmp(info->name, "track") == 0)
				continue; /* NPT has no D flags to track by */
			assert_int_equal(tdp_policy_value(i, b, &value), 0);
			memcpy(&found, (const char *)&policy + info->offset, sizeof(found));
			assert_int_equal(found, value);
		}
	}
}

static void a_baseline_is_found_by_its_name_and_the_newest_by_latest(void **state)
{
	enum tdp_baseline found = TDP_BASELINE_6_12;

	(void)state;
	assert_int_equal(tdp_baseline_find("6.2", &found), -ENOENT);
	assert_int_equal(tdp_baseline_find("", &found), -ENOENT);
	assert_int_equal(found, TDP_BASELINE_6_12);
	for (enum tdp_baseline b = TDP_BASELINE_5_13; b <= TDP_BASELINE_7_2; b++) {
		assert_int_equal(tdp_baseline_find(tdp_baseline_name(b), &found), 0);
		assert_int_equal(found, b);
	}
	assert_int_equal(tdp_baseline_find("latest", &found), 0);
	assert_int_equal(found, TDP_BASELINE_LATEST);
}

/* Locks and counters: the same guest, whatever they are */

struct worker {
	struct guest *guest;
	unsigned int index;
};

static int fault_in(struct tdp_actor *self, void *arg)
{
	const struct worker *worker = arg;
	struct tdp_access_result result;

	(void)self;
	for (unsigned int i = 0; i < 512; i++) {
		struct tdp_access_request request = {
			.address = (AT + i * 2 % 512 + (i & 1) * worker->index) << 12,
			.access = TDP_WRITE,
		};

		if (tdp_vcpu_access(worker->guest->vcpus[worker->index], &request, &result) ||
		    result.outcome != TDP_ACCESS_DONE)
			return -1;
	}
	return 0;
}

static void check_lock(void **state, enum tdp_lock_policy lock, enum tdp_stats_policy stats)
{
	struct guest *guest = guest_make(state, .untraced = true, .vcpus = 2, .policy.lock = lock,
					 .policy.stats = stats);
	struct worker workers[2] = {{guest, 0}, {guest, 1}};
	struct tdp_actor_config actors[] = {
		{.body = fault_in, .arg = &workers[0]},
		{.body = fault_in, .arg = &workers[1]},
	};

	guest_slot(guest, 1, AT, 1024, 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	assert_int_equal(guest_stats(guest).pages_4k, tdp_anon_touched(guest->anon));
	assert_int_equal(guest_stats(guest).pf_fixed, tdp_anon_touched(guest->anon));
	guest_faults_add_up(guest);
	guest_discard(guest, 0, 1024);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

static void an_exclusive_lock_serves_the_same_guest(void **state)
{
	check_lock(state, TDP_LOCK_EXCLUSIVE, TDP_STATS_SHARED);
}

static void a_shared_lock_serves_the_same_guest(void **state)
{
	check_lock(state, TDP_LOCK_SHARED, TDP_STATS_PERCPU);
}

static void a_percpu_lock_serves_the_same_guest(void **state)
{
	check_lock(state, TDP_LOCK_PERCPU, TDP_STATS_PERCPU);
}

static void percpu_counters_leave_the_vms_words_to_tasks(void **state)
{
	struct guest *guest = guest_make(state, .policy.stats = TDP_STATS_PERCPU);

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(tally_read(&guest->vm->mmu.gauges.word[GAUGE_PAGES_4K]), 0);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	guest_discard(guest, 0, 1);
	assert_int_equal((int64_t)tally_read(&guest->vm->mmu.gauges.word[GAUGE_PAGES_4K]), -1);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

/* The others */

static void suppress_ve_is_bit_63(void **state)
{
	struct guest *guest = guest_make(state, .policy.suppress_ve = TDP_OFF);

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry(guest, AT) >> 63, 0);
	assert_int_equal(guest_entry(guest, AT + 1), 0);
	assert_true(guest_walk(guest, AT + 1, TDP_READ).ve_convertible);
}

/* A read fault whose host mapping has become read-only, on a page that is mapped writable. */
static enum tdp_fault_result read_what_is_writable(struct guest *guest)
{
	struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x100000004};
	enum tdp_fault_result result;

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest->script.read_only = true;
	guest_forget(guest);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	return result;
}

static void a_read_leaves_a_writable_leaf_as_it_is(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	assert_int_equal(read_what_is_writable(guest), TDP_FAULT_SPURIOUS);
	assert_true(guest_writable(guest, AT));
	assert_int_equal(guest_count(guest, TDP_TRACE_SPTE_CHANGED), 0);
}

static void note_invariant(void *context, enum tdp_invariant invariant, const char *sentence)
{
	(void)sentence;
	*(unsigned int *)context |= 1U << invariant;
}

static void until_6_12_a_read_could_narrow_it_behind_the_tlbs_back(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.spurious_if_allowed = TDP_OFF);
	unsigned int found = 0;

	assert_int_equal(read_what_is_writable(guest), TDP_FAULT_FIXED);
	assert_false(guest_writable(guest, AT));
	/* A bug of those kernels (386d69f9f29b): no flush, so the TLB allows more. */
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_SPTE_CHANGED,
		     TDP_TRACE_SET_SPTE, TDP_TRACE_FAULT_RETURN);
	assert_true(guest_access(guest, AT << 12, TDP_WRITE).tlb_hit);
	/* Said of the TLB, and of the access that used it. */
	assert_int_equal(tdp_vm_check(guest->vm, note_invariant, &found), 2);
	assert_int_equal(found, 1U << TDP_INVARIANT_TLB | 1U << TDP_INVARIANT_STALE_ACCESS);
	tdp_vcpu_flush_tlb(guest->vcpu);
}

static void refault_writable(struct guest *guest)
{
	struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_SPURIOUS);
}

static void an_unchanged_leaf_was_told_all_the_same(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.spurious_if_allowed = TDP_OFF,
			   .policy.quiet_spurious = TDP_OFF);

	refault_writable(guest);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_SET_SPTE,
		     TDP_TRACE_FAULT_RETURN);
}

static void an_unchanged_leaf_is_not_told_any_more(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .policy.spurious_if_allowed = TDP_OFF);

	refault_writable(guest);
	guest_expect(guest, TDP_TRACE_PAGE_FAULT, TDP_TRACE_SPTE_REQUESTED, TDP_TRACE_FAULT_RETURN);
}

static uint64_t leaf_after_a_hole(struct guest *guest)
{
	guest_access(guest, AT << 12, TDP_READ);
	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_READ);
	return guest_entry_bits(guest, AT);
}

static void a_leaf_in_a_holes_place_begins_dirty(void **state)
{
	assert_int_equal(leaf_after_a_hole(guest_make(state, .scripted = true)), 0xe67);
}

static void or_clean_if_asked(void **state)
{
	assert_int_equal(leaf_after_a_hole(guest_make(state, .scripted = true,
						      .policy.dirty_at_birth = TDP_OFF)),
			 0xe27);
}

static void software_flags_stand_in_for_the_hardwares(void **state)
{
	struct guest *guest = guest_make(state, .vm.no_ad = true);

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000b77);
}

static void without_either_there_are_no_flags(void **state)
{
	struct guest *guest = guest_make(state, .vm.no_ad = true, .policy.software_ad = TDP_OFF);

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000877);
}

static void asked_for_during_an_invalidation(struct guest *guest, unsigned int times)
{
	uint64_t hva = guest->backing->hva;
	struct tdp_fault fault = {.gpa = AT << 12, .error_code = 0x100000006};
	enum tdp_fault_result result;

	guest_slot(guest, 1, AT, 16, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	tdp_host_invalidate_begin(guest->host, hva, hva + TDP_PAGE_SIZE);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &fault, &result), 0);
	assert_int_equal(result, TDP_FAULT_RETRY);
	assert_int_equal(guest->script.resolved, times);
	assert_int_equal(guest->script.released, times);
	tdp_host_invalidate_end(guest->host, hva, hva + TDP_PAGE_SIZE);
}

static void an_early_check_spares_the_host_the_question(void **state)
{
	asked_for_during_an_invalidation(guest_make(state, .scripted = true), 0);
}

static void without_it_the_host_is_asked_first(void **state)
{
	asked_for_during_an_invalidation(
		guest_make(state, .scripted = true, .policy.early_invalidation_check = TDP_OFF), 1);
}

static void ageing_without_the_lock_needs_no_atomic_write_for_a(void **state)
{
	struct guest *guest = guest_make(state, .policy.lockless_age = TDP_OFF);

	assert_true(spte_volatile(&guest->vm->mmu.encoding, 0xe47, 1));
	assert_false(guest->vm->mmu.encoding.lockless_age);
}

/* Roots under the shared lock: made while another holds it shared, or not. */

struct hold {
	struct guest *guest;
	struct tdp_flag *held, *loaded;
	bool wanted;
};

static int hold_shared(struct tdp_actor *self, void *arg)
{
	struct hold *hold = arg;
	struct mmu_actor *task = mmu_task_get(&hold->guest->vm->mmu);
	struct mmu_shared shared = mmu_lock_shared(task);
	unsigned int rounds = 0;
	bool loaded = false;

	(void)self;
	tdp_flag_raise(hold->held);
	for (unsigned int i = 0; i < (hold->wanted ? 100000u : 200u) && !loaded; i++) {
		tdp_pause(&rounds);
		loaded = tdp_flag_raised(hold->loaded);
	}
	mmu_unlock_shared(shared);
	mmu_task_put(task);
	return loaded == hold->wanted ? 0 : -1;
}

static int load_root(struct tdp_actor *self, void *arg)
{
	struct hold *hold = arg;
	unsigned int rounds = 0;
	int err;

	(void)self;
	while (!tdp_flag_raised(hold->held))
		tdp_pause(&rounds);
	err = tdp_vcpu_load_root(hold->guest->vcpu);
	tdp_flag_raise(hold->loaded);
	return err;
}

static void check_root_alloc(struct guest *guest, bool shared)
{
	struct hold hold = {.guest = guest, .wanted = shared};
	struct tdp_actor_config actors[] = {
		{.body = hold_shared, .arg = &hold},
		{.body = load_root, .arg = &hold},
	};

	assert_int_equal(tdp_flag_create(&hold.held), 0);
	assert_int_equal(tdp_flag_create(&hold.loaded), 0);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_flag_destroy(hold.held);
	tdp_flag_destroy(hold.loaded);
}

static void a_root_is_made_beside_others_who_share_the_lock(void **state)
{
	check_root_alloc(guest_make(state, .untraced = true), true);
}

static void until_6_8_a_root_was_made_alone(void **state)
{
	check_root_alloc(guest_make(state, .untraced = true, .policy.shared_root_alloc = TDP_OFF),
			 false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(nothing_is_left_as_the_baseline_has_it),
		guest_test(each_change_came_with_its_kernel),
		guest_test(each_field_is_set_without_touching_the_others),
		guest_test(each_row_has_a_name_a_help_and_words_for_its_values),
		guest_test(a_row_says_what_a_vm_then_has),
		guest_test(a_baseline_is_found_by_its_name_and_the_newest_by_latest),
		guest_test(an_exclusive_lock_serves_the_same_guest),
		guest_test(a_shared_lock_serves_the_same_guest),
		guest_test(a_percpu_lock_serves_the_same_guest),
		guest_test(percpu_counters_leave_the_vms_words_to_tasks),
		guest_test_ept(suppress_ve_is_bit_63),
		guest_test(a_read_leaves_a_writable_leaf_as_it_is),
		guest_test(until_6_12_a_read_could_narrow_it_behind_the_tlbs_back),
		guest_test(an_unchanged_leaf_was_told_all_the_same),
		guest_test(an_unchanged_leaf_is_not_told_any_more),
		guest_test(a_leaf_in_a_holes_place_begins_dirty),
		guest_test(or_clean_if_asked),
		guest_test_ept(software_flags_stand_in_for_the_hardwares),
		guest_test_ept(without_either_there_are_no_flags),
		guest_test(an_early_check_spares_the_host_the_question),
		guest_test(without_it_the_host_is_asked_first),
		guest_test(ageing_without_the_lock_needs_no_atomic_write_for_a),
		guest_test(a_root_is_made_beside_others_who_share_the_lock),
		guest_test(until_6_8_a_root_was_made_alone),
	};

	return cmocka_run_group_tests_name("vm/policy", tests, NULL, NULL);
}
