/*
 * The public face of a VM: what its functions refuse, with a reason and without
 * effect; defaults; rings; several VMs on one host.
 */
#include "support/guest.h"

#include <errno.h>

#define AT 0x40000ULL

/* Creation */

static const struct vm_refusal {
	const char *what;
	struct tdp_vm_config config; /* .format: NPT unless said otherwise */
} vm_refusals[] = {
	{"size", {.size = 8192}},
	{"format", {.format = (enum tdp_format)2}},
	{"levels", {.levels = 3}},
	{"levels", {.levels = 6}},
	{"maxphyaddr", {.maxphyaddr = 31}},
	{"maxphyaddr", {.maxphyaddr = 53}},
	{"baseline", {.baseline = (enum tdp_baseline)(TDP_BASELINE_7_2 + 1)}},
	{"baseline", {.baseline = (enum tdp_baseline) - 1}},
	{"max_level", {.max_level = TDP_LEVEL_4}},
	{"address_spaces", {.address_spaces = 3}},
	{"trace_ring", {.trace_ring = 3}},
	{"trace_ring", {.trace_ring = (size_t)1 << 25}},
	{"trace_ring", {.trace_ring = (size_t)1 << 61}}, /* times an event's size it is small */
	{"no_ad with NPT", {.no_ad = true}},
	{"no_execute_only with NPT", {.no_execute_only = true}},
	{"l1tf with NPT", {.l1tf = true}},
	{"reserved_not_present with EPT", {.format = TDP_EPT, .reserved_not_present = true}},
	{"policy.lock", {.policy = &(const struct tdp_policy){.lock = (enum tdp_lock_policy)4}}},
	{"policy.stats", {.policy = &(const struct tdp_policy){.stats = (enum tdp_stats_policy)3}}},
	{"policy.huge_fault",
	 {.policy = &(const struct tdp_policy){.huge_fault = (enum tdp_huge_fault_policy)3}}},
	{"policy.suppress_ve",
	 {.policy = &(const struct tdp_policy){.suppress_ve = (enum tdp_choice)3}}},
	{"policy.zap_flush_first",
	 {.policy = &(const struct tdp_policy){.zap_flush_first = (enum tdp_choice)3}}},
	{"policy.spurious_if_allowed",
	 {.policy = &(const struct tdp_policy){.spurious_if_allowed = (enum tdp_choice)3}}},
	{"policy.dirty_at_birth",
	 {.policy = &(const struct tdp_policy){.dirty_at_birth = (enum tdp_choice)3}}},
	{"policy.software_ad",
	 {.policy = &(const struct tdp_policy){.software_ad = (enum tdp_choice)3}}},
	{"policy.quiet_spurious",
	 {.policy = &(const struct tdp_policy){.quiet_spurious = (enum tdp_choice)3}}},
	{"policy.shared_root_alloc",
	 {.policy = &(const struct tdp_policy){.shared_root_alloc = (enum tdp_choice)3}}},
	{"policy.zap_each_level",
	 {.policy = &(const struct tdp_policy){.zap_each_level = (enum tdp_choice)3}}},
	{"policy.skip_invalid_roots",
	 {.policy = &(const struct tdp_policy){.skip_invalid_roots = (enum tdp_choice)3}}},
	{"policy.early_invalidation_check",
	 {.policy = &(const struct tdp_policy){.early_invalidation_check = (enum tdp_choice)3}}},
	{"policy.lockless_age",
	 {.policy = &(const struct tdp_policy){.lockless_age = (enum tdp_choice)3}}},
	{"policy.slot_zap_all",
	 {.policy = &(const struct tdp_policy){.slot_zap_all = (enum tdp_choice)3}}},
	{"policy.range_flush",
	 {.policy = &(const struct tdp_policy){.range_flush = (enum tdp_range_flush_policy)3}}},
	{"policy.dirty_track",
	 {.policy = &(const struct tdp_policy){.dirty_track = (enum tdp_dirty_track_policy)3}}},
	{"policy.dirty_track on NPT",
	 {.policy = &(const struct tdp_policy){.dirty_track = TDP_DIRTY_TRACK_DBIT}}},
	{"policy.dirty_track without A/D",
	 {.format = TDP_EPT,
	  .no_ad = true,
	  .policy = &(const struct tdp_policy){.dirty_track = TDP_DIRTY_TRACK_DBIT}}},
	{"policy.eager_split",
	 {.policy = &(const struct tdp_policy){.eager_split = (enum tdp_choice)3}}},
	{"policy.clear_splits_last",
	 {.policy = &(const struct tdp_policy){.clear_splits_last = (enum tdp_choice)3}}},
	{"policy.recovery",
	 {.policy = &(const struct tdp_policy){.recovery = (enum tdp_recovery_policy)3}}},
	{"policy.nx_huge_pages",
	 {.policy = &(const struct tdp_policy){.nx_huge_pages = (enum tdp_choice)3}}},
	{"policy.nx_recovery_shared",
	 {.policy = &(const struct tdp_policy){.nx_recovery_shared = (enum tdp_choice)3}}},
	{"policy.nx_skip_logged",
	 {.policy = &(const struct tdp_policy){.nx_skip_logged = (enum tdp_choice)3}}},
	{"manual_protect", {.manual_protect = (enum tdp_manual_protect)3}},
	{"dirty_ring", {.dirty_ring = 256}},
	{"dirty_ring", {.dirty_ring = 1 << 17}},
	{"dirty_ring", {.dirty_ring = 1000}},
	{"dirty_ring_with_bitmap", {.dirty_ring_with_bitmap = true}},
};

static bool usage_is_as_before(const struct guest *guest)
{
	struct tdp_host_memory now;

	tdp_host_usage(guest->host, &now);
	return now.metadata_bytes == guest->before.metadata_bytes &&
	       now.table_frames == guest->before.table_frames;
}

static void a_vm_that_cannot_be_is_refused_with_a_reason(void **state)
{
	struct guest *guest = guest_make_host(state, .untraced = true);

	for (size_t i = 0; i < sizeof(vm_refusals) / sizeof(vm_refusals[0]); i++) {
		struct tdp_vm *vm = (struct tdp_vm *)1;
		int err = tdp_vm_create(guest->host, &vm_refusals[i].config, &vm);

		if (err != -EINVAL || guest->reports != 1)
			print_error("%s: %d\n", vm_refusals[i].what, err);
		guest_refused(guest, err, -EINVAL);
		assert_ptr_equal(vm, (struct tdp_vm *)1);
		assert_true(usage_is_as_before(guest));
	}
}

static void a_vm_of_no_config_is_upstreams(void **state)
{
	struct guest *guest = guest_make_host(state, .untraced = true);
	const struct tdp_policy *policy;
	struct tdp_stats stats;

	assert_int_equal(tdp_vm_create(guest->host, NULL, &guest->vm), 0);
	policy = tdp_vm_policy(guest->vm);
	assert_int_equal(policy->lock, TDP_LOCK_SHARED);
	assert_int_equal(policy->huge_fault, TDP_HUGE_FAULT_SPLIT);
	assert_int_equal(policy->spurious_if_allowed, TDP_ON);
	tdp_vm_stats(guest->vm, &stats);
	assert_int_equal(stats.pf_taken, 0);
	assert_int_equal(stats.accesses, 0);
	assert_int_equal(guest->reports, 0);
}

static void sizes_of_this_library_are_accepted(void **state)
{
	struct guest *guest = guest_make(state, .vm.size = sizeof(struct tdp_vm_config),
					 .vcpu.size = sizeof(struct tdp_vcpu_config),
					 .host.size = sizeof(struct tdp_host_config));
	struct tdp_memslot slot = guest_slot_of(guest, 1, AT, 16, 0);

	slot.size = sizeof(slot);
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	guest_touch(guest, AT, TDP_WRITE);
}

static void what_was_never_made_may_be_destroyed(void **state)
{
	(void)state;
	tdp_vm_destroy(NULL);
	tdp_host_destroy(NULL);
	tdp_anon_destroy(NULL);
	tdp_iter_end(NULL);
}

static void a_vm_gives_back_all_that_it_took(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .vcpus = 3, .vm.trace_ring = 64);

	guest_slot(guest, 1, AT, 4096, 0);
	for (unsigned int i = 0; i < 100; i++)
		guest_touch_on(guest->vcpus[i % 3], AT + i * 40, TDP_WRITE);
	tdp_mmu_zap_all_fast(guest->vm);
	guest_slot(guest, 1, 2 * AT, 4096, 0);
	guest_touch(guest, 2 * AT, TDP_WRITE);
	assert_int_equal(guest_violations(guest), 0);
	guest_end_vm(guest);
	assert_true(usage_is_as_before(guest));
}

static void baselines_have_the_names_of_their_option(void **state)
{
	(void)state;
	assert_string_equal(tdp_baseline_name(TDP_BASELINE_LATEST), "7.2");
	assert_string_equal(tdp_baseline_name(TDP_BASELINE_5_13), "5.13");
	assert_string_equal(tdp_baseline_name(TDP_BASELINE_6_1), "6.1");
	assert_string_equal(tdp_baseline_name(TDP_BASELINE_6_12), "6.12");
	assert_null(tdp_baseline_name((enum tdp_baseline)(TDP_BASELINE_7_2 + 1)));
	assert_null(tdp_baseline_name((enum tdp_baseline) - 1));
}

/* vCPUs */

static void a_vcpu_that_cannot_be_is_refused_with_a_reason(void **state)
{
	static const struct tdp_vcpu_config bad[] = {
		{.size = 1}, {.maxphyaddr = 31}, {.maxphyaddr = 53}, {.node = -1}, {.node = 2},
	};
	struct guest *guest = guest_make(state);
	struct tdp_vcpu *vcpu = (struct tdp_vcpu *)1;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		guest_refused(guest, tdp_vcpu_create(guest->vm, &bad[i], &vcpu), -EINVAL);
	assert_ptr_equal(vcpu, (struct tdp_vcpu *)1);
	assert_int_equal(tdp_vcpu_create(guest->vm, NULL, &vcpu), 0);
	assert_int_equal(tdp_vcpu_id(vcpu), 1);
}

static void a_vm_has_at_most_4096_vcpus(void **state)
{
	struct guest *guest = guest_make(state, .untraced = true);
	struct tdp_vcpu *vcpu, *one_more = NULL;

	for (unsigned int i = 1; i < 4096; i++)
		assert_int_equal(tdp_vcpu_create(guest->vm, NULL, &vcpu), 0);
	assert_int_equal(tdp_vcpu_id(vcpu), 4095);
	guest_refused(guest, tdp_vcpu_create(guest->vm, NULL, &one_more), -ENOSPC);
	assert_null(one_more);
}

static void a_vcpus_counters_are_its_own(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 2);
	struct tdp_stats first, second, all;

	guest_slot(guest, 1, AT, 16, 0);
	for (unsigned int i = 0; i < 3; i++)
		guest_touch_on(guest->vcpus[0], AT + i, TDP_WRITE);
	guest_touch_on(guest->vcpus[1], AT + 9, TDP_WRITE);
	tdp_vcpu_stats(guest->vcpus[0], &first);
	tdp_vcpu_stats(guest->vcpus[1], &second);
	all = guest_stats(guest);
	assert_int_equal(first.pf_fixed, 3);
	assert_int_equal(second.pf_fixed, 1);
	assert_int_equal(first.pages_4k, 0);
	assert_int_equal(all.pf_fixed, 4);
	assert_int_equal(all.pages_4k, 4);
}

/* Traces */

struct drained {
	size_t count;
	uint64_t last_time;
	unsigned int vcpus_seen;
};

static void drain_one(void *context, const struct tdp_trace_event *event)
{
	struct drained *drained = context;

	assert_true(event->time >= drained->last_time);
	drained->last_time = event->time;
	drained->vcpus_seen |= 1U << (event->vcpu + 1);
	drained->count++;
}

static void rings_are_handed_out_in_order_and_emptied(void **state)
{
	struct guest *guest =
		guest_make(state, .untraced = true, .vcpus = 2, .vm.trace_ring = 1024);
	struct drained drained = {0};

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch_on(guest->vcpus[0], AT, TDP_WRITE);
	guest_touch_on(guest->vcpus[1], AT + 1, TDP_WRITE);
	guest_discard(guest, 0, 1);
	assert_int_equal(tdp_trace_drain(guest->vm, drain_one, &drained), 0);
	/* Two vCPUs and a task. */
	assert_int_equal(drained.vcpus_seen, 7);
	assert_true(drained.count > 20);
	drained = (struct drained){0};
	assert_int_equal(tdp_trace_drain(guest->vm, drain_one, &drained), 0);
	assert_int_equal(drained.count, 0);
}

static void a_full_ring_says_how_much_it_lost(void **state)
{
	struct guest *guest = guest_make(state, .vm.trace_ring = 16);
	struct drained drained = {0};
	uint64_t lost;

	guest_slot(guest, 1, AT, 64, 0);
	for (unsigned int i = 0; i < 32; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	lost = tdp_trace_drain(guest->vm, drain_one, &drained);
	assert_int_equal(drained.count, 16);
	assert_int_equal(lost + drained.count, guest->event_count);
}

/* Several */

static void memory_of_two_vms_is_unmapped_in_both(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_memslot slot = guest_slot_of(guest, 1, 2 * AT, 16, 0);
	struct tdp_stats stats;
	struct tdp_vcpu *vcpu;
	struct tdp_vm *other;

	guest_slot(guest, 1, AT, 16, 0);
	assert_int_equal(tdp_vm_create(guest->host, NULL, &other), 0);
	assert_int_equal(tdp_vcpu_create(other, NULL, &vcpu), 0);
	assert_int_equal(tdp_vm_set_memslot(other, &slot), 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch_on(vcpu, 2 * AT, TDP_WRITE);
	guest_discard(guest, 0, 1);
	tdp_vm_stats(other, &stats);
	assert_int_equal(stats.pages_4k, 0);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
	tdp_vm_destroy(other);
	/* The survivor still hears of what the host does. */
	guest_touch(guest, AT, TDP_WRITE);
	guest_discard(guest, 0, 1);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

static void two_hosts_do_not_know_of_each_other(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_host_config config = {.memory_bytes = 1ULL << 30, .table_bytes = 2 << 20};
	struct tdp_host_memory usage;
	struct tdp_host *other;

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(tdp_host_create(&config, &other), 0);
	tdp_host_usage(other, &usage);
	assert_int_equal(usage.table_frames, 0);
	assert_int_equal(usage.data_frames, 0);
	/* The same addresses, another process. */
	tdp_host_invalidate_begin(other, guest->backing->hva, guest->backing->hva + 4096);
	tdp_host_invalidate_end(other, guest->backing->hva, guest->backing->hva + 4096);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	tdp_host_destroy(other);
	assert_int_equal(guest_touch(guest, AT + 1, TDP_WRITE), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(a_vm_that_cannot_be_is_refused_with_a_reason),
		guest_test(a_vm_of_no_config_is_upstreams),
		guest_tests(sizes_of_this_library_are_accepted),
		guest_test(what_was_never_made_may_be_destroyed),
		guest_tests(a_vm_gives_back_all_that_it_took),
		guest_test(baselines_have_the_names_of_their_option),
		guest_test(a_vcpu_that_cannot_be_is_refused_with_a_reason),
		guest_test(a_vm_has_at_most_4096_vcpus),
		guest_test(a_vcpus_counters_are_its_own),
		guest_test(rings_are_handed_out_in_order_and_emptied),
		guest_test(a_full_ring_says_how_much_it_lost),
		guest_test(memory_of_two_vms_is_unmapped_in_both),
		guest_test(two_hosts_do_not_know_of_each_other),
	};

	return cmocka_run_group_tests_name("vm/api", tests, NULL, NULL);
}
