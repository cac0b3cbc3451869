/*
 * Roots: made, found again, dropped, invalidated; the roles that they are found
 * by, and which changes of a vCPU's registers make it let go of its own.
 */
#include "support/guest.h"

#include <errno.h>

#include "vm/vm.h"

#define AT 0x40000ULL

#define CR0_PE	 (1ULL << 0)
#define CR0_TS	 (1ULL << 3)
#define CR0_WP	 (1ULL << 16)
#define CR0_CD	 (1ULL << 30)
#define CR0_PG	 (1ULL << 31)
#define CR4_PSE	 (1ULL << 4)
#define CR4_PAE	 (1ULL << 5)
#define CR4_PGE	 (1ULL << 7)
#define CR4_LA57 (1ULL << 12)
#define CR4_SMEP (1ULL << 20)
#define CR4_SMAP (1ULL << 21)
#define CR4_PKE	 (1ULL << 22)
#define EFER_SCE (1ULL << 0)
#define EFER_LME (1ULL << 8)
#define EFER_NX	 (1ULL << 11)

static struct guest *with_root(void **state, const struct guest_config *config)
{
	struct guest *guest = guest_make_as(state, config);

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	guest_forget(guest);
	return guest;
}

static const struct guest_config plain;

static uint32_t root_role(const struct guest *guest)
{
	return guest_event(guest, TDP_TRACE_GET_PAGE, 0)->page.role;
}

static uint32_t references(const struct guest *guest, tdp_pfn_t root)
{
	return u32_load_relaxed(&table_of(guest->host, root)->references);
}

/* Life */

static void a_root_is_made_at_the_first_entry_only(void **state)
{
	struct guest *guest = guest_make(state);

	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, 0);
	assert_int_equal(guest_stats(guest).tables, 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_not_equal(tdp_vcpu_root(guest->vcpu).n, 0);
	guest_expect(guest, TDP_TRACE_GET_PAGE, TDP_TRACE_LOAD_ROOT);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(guest->event_count, 2);
	/* Roots are not among the tables that are counted. */
	assert_int_equal(guest_stats(guest).tables, 0);
}

static void a_root_has_a_reference_of_its_vcpu_and_one_of_the_mmu(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 3);

	assert_int_equal(tdp_vcpu_load_root(guest->vcpus[0]), 0);
	assert_int_equal(references(guest, tdp_vcpu_root(guest->vcpu)), 2);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpus[1]), 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpus[2]), 0);
	assert_int_equal(references(guest, tdp_vcpu_root(guest->vcpu)), 4);
	assert_int_equal(tdp_vcpu_root(guest->vcpus[2]).n, tdp_vcpu_root(guest->vcpu).n);
	assert_int_equal(guest_count(guest, TDP_TRACE_GET_PAGE), 1);
}

static void a_root_that_nobody_has_loaded_waits_for_reuse(void **state)
{
	struct guest *guest = with_root(state, &plain);
	struct tdp_registers registers;
	tdp_pfn_t root = tdp_vcpu_root(guest->vcpu);

	tdp_vcpu_registers(guest->vcpu, &registers);
	registers.cr4 |= CR4_SMEP;
	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_GUEST), 0);
	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, 0);
	assert_int_equal(references(guest, root), 1);
	assert_int_equal(guest_stats(guest).pages_4k, 1);
	/* It comes back with all that it maps. */
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, root.n);
	guest_expect(guest, TDP_TRACE_LOAD_ROOT);
	assert_int_equal(guest_event(guest, TDP_TRACE_LOAD_ROOT, 0)->load_root.root, root.n << 12);
}

static void an_invalidated_root_is_never_found_again(void **state)
{
	struct guest *guest = with_root(state, &plain);
	tdp_pfn_t old = tdp_vcpu_root(guest->vcpu);

	tdp_mmu_zap_all_fast(guest->vm);
	/* The vCPU still has it, until its next entry. */
	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, old.n);
	assert_int_equal(references(guest, old), 1);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_not_equal(tdp_vcpu_root(guest->vcpu).n, old.n);
	assert_int_equal(references(guest, tdp_vcpu_root(guest->vcpu)), 2);
}

static void every_vcpu_leaves_an_invalidated_root_by_itself(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 2);
	struct tdp_host_memory before, after;

	guest_slot(guest, 1, AT, 64, 0);
	guest_touch_on(guest->vcpus[0], AT, TDP_WRITE);
	guest_touch_on(guest->vcpus[1], AT, TDP_WRITE);
	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(guest_touch_on(guest->vcpus[0], AT, TDP_WRITE), 1);
	assert_int_not_equal(tdp_vcpu_root(guest->vcpus[0]).n, tdp_vcpu_root(guest->vcpus[1]).n);
	tdp_host_usage(guest->host, &before);
	assert_int_equal(guest_touch_on(guest->vcpus[1], AT, TDP_WRITE), 0);
	assert_int_equal(tdp_vcpu_root(guest->vcpus[0]).n, tdp_vcpu_root(guest->vcpus[1]).n);
	/* With the last reference the old root went; its frame follows a grace period later. */
	rcu_barrier(&guest->host->rcu);
	tdp_host_usage(guest->host, &after);
	assert_true(after.table_frames < before.table_frames);
}

static void loading_a_root_empties_the_tlb(void **state)
{
	struct guest *guest = with_root(state, &plain);
	uint64_t flushes;

	assert_true(guest_access(guest, AT << 12, TDP_WRITE).tlb_hit);
	flushes = guest_stats(guest).tlb_flush;
	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(guest_stats(guest).tlb_flush, flushes + 1);
	assert_false(guest_access(guest, AT << 12, TDP_WRITE).tlb_hit);
	assert_int_equal(guest_stats(guest).remote_tlb_flush_requests, 0);
}

/* Roles */

static void roles_are_the_words_of_the_traces(void **state)
{
	struct guest *guest = guest_make(state);

	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(root_role(guest), 0x3784);
	guest_forget(guest);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(root_role(guest), 0x1003784);
	assert_int_equal(guest_event(guest, TDP_TRACE_LOAD_ROOT, 0)->load_root.address_space, 1);
}

static void five_levels_and_missing_flags_stand_in_the_role(void **state)
{
	struct guest *guest = guest_make(state, .vm.levels = 5, .vm.no_ad = true);

	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(root_role(guest), 0x13785);
}

static void npt_is_as_deep_as_the_host_ept_only_as_the_guest_needs(void **state)
{
	struct guest *guest = guest_make(state, .vm.levels = 5, .vcpu.maxphyaddr = 48);
	unsigned int level;

	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	level = guest_event(guest, TDP_TRACE_LOAD_ROOT, 0)->load_root.level;
	assert_int_equal(level, guest->config.vm.format == TDP_EPT ? 4 : 5);
	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_level(guest, AT), TDP_4K);
}

static void vcpus_of_different_width_have_different_roots(void **state)
{
	struct guest *guest = guest_make(state, .vm.levels = 5);
	struct tdp_vcpu_config narrow = {.maxphyaddr = 40};
	struct tdp_vcpu *vcpu;

	guest_slot(guest, 1, AT, 64, 0);
	assert_int_equal(tdp_vcpu_create(guest->vm, &narrow, &vcpu), 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_touch_on(vcpu, AT, TDP_WRITE), 1);
	assert_int_not_equal(tdp_vcpu_root(vcpu).n, tdp_vcpu_root(guest->vcpu).n);
	assert_int_equal(guest_stats(guest).pages_4k, 2);
	/* Both are reached. */
	guest_discard(guest, 0, 1);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

static void smm_has_slots_and_a_root_of_its_own(void **state)
{
	struct guest *guest = with_root(state, &plain);
	tdp_pfn_t normal = tdp_vcpu_root(guest->vcpu);
	struct tdp_memslot slot = guest_slot_of(guest, 7, AT, 16, 32);

	slot.address_space = 1;
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	assert_int_equal(guest_access(guest, AT << 12, TDP_READ).outcome, TDP_ACCESS_MMIO);
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_not_equal(tdp_vcpu_root(guest->vcpu).n, normal.n);
	for (size_t i = 0; i < guest_count(guest, TDP_TRACE_SPTE_CHANGED); i++)
		assert_int_equal(
			guest_event(guest, TDP_TRACE_SPTE_CHANGED, i)->spte_changed.address_space,
			1);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 1, tdp_gfn(AT)), TDP_4K);
	assert_int_equal(tdp_mmu_mapped_level(guest->vm, 1, tdp_gfn(AT + 1)), TDP_NOT_MAPPED);

	guest_forget(guest);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, false), 0);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, normal.n);
	guest_expect(guest, TDP_TRACE_LOAD_ROOT);
	/* Entering what one is in already changes nothing. */
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, false), 0);
	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, normal.n);
}

/* An L2 guest without nested paging: L1's slots, a root of its own. */
static void a_guest_of_the_guest_has_a_root_of_its_own(void **state)
{
	struct guest *guest = with_root(state, &plain);
	tdp_pfn_t normal = tdp_vcpu_root(guest->vcpu), nested;

	assert_int_equal(tdp_vcpu_set_guest_mode(guest->vcpu, true), 0);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 1);
	nested = tdp_vcpu_root(guest->vcpu);
	assert_int_not_equal(nested.n, normal.n);
	assert_int_equal(guest_event(guest, TDP_TRACE_GET_PAGE, 0)->page.role & 0x20000, 0x20000);
	assert_int_equal(guest_stats(guest).pages_4k, 2);
	assert_int_equal(guest_entry(guest, AT) >> 52 & 3,
			 guest->config.vm.format == TDP_EPT ? 2 : 0);
	/* SMM is entered from L2 through L1, and left to L2 again. */
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, true), 0);
	assert_int_equal(guest_access(guest, AT << 12, TDP_READ).outcome, TDP_ACCESS_MMIO);
	guest_refused(guest, tdp_vcpu_set_guest_mode(guest->vcpu, true), -EINVAL);
	assert_int_equal(tdp_vcpu_set_smm(guest->vcpu, false), 0);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, nested.n);
	assert_int_equal(tdp_vcpu_set_guest_mode(guest->vcpu, false), 0);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	assert_int_equal(tdp_vcpu_root(guest->vcpu).n, normal.n);
}

static void where_the_cpu_logs_no_writes_l2_is_like_l1(void **state)
{
	struct guest *guest = guest_make(state, .policy.dirty_track = TDP_DIRTY_TRACK_WRPROT);

	guest_slot(guest, 1, AT, 64, 0);
	assert_int_equal(tdp_vcpu_set_guest_mode(guest->vcpu, true), 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry(guest, AT) >> 52 & 3, 0);
}

static void without_a_second_address_space_there_is_no_smm(void **state)
{
	struct guest *guest = guest_make(state, .vm.address_spaces = 1);

	guest_refused(guest, tdp_vcpu_set_smm(guest->vcpu, true), -EINVAL);
	guest_slot(guest, 1, AT, 64, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(tdp_vm_memslot_generation(guest->vm), 1);
}

/* Registers */

struct change {
	struct tdp_registers from, to;
	bool guest, sregs; /* does it drop the root, by a guest instruction or by KVM_SET_SREGS? */
	const char *what;
};

#define LONG_CR0  (CR0_PG | CR0_PE)
#define LONG_EFER (EFER_LME | EFER_NX)

static const struct change changes[] = {
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE}, false, false, "nothing"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE | CR0_PG}, true, true, "CR0.PG"},
	{{.cr0 = CR0_PE | CR0_PG}, {.cr0 = CR0_PE}, true, true, "CR0.PG off"},
	{{.cr0 = CR0_PE | CR0_PG}, {.cr0 = CR0_PE | CR0_PG | CR0_WP}, false, true, "CR0.WP"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE | CR0_WP}, false, true, "CR0.WP without paging"},
	{{.cr0 = CR0_PE | CR0_PG},
	 {.cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_TS},
	 true,
	 true,
	 "CR0.WP with another bit"},
	{{.cr0 = CR0_PE}, {.cr0 = 0}, false, true, "CR0.PE"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE | CR0_CD}, false, true, "CR0.CD"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr3 = 0x1000}, false, true, "CR3"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr4 = CR4_PGE}, false, true, "CR4.PGE"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr4 = CR4_PSE}, true, true, "CR4.PSE"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr4 = CR4_PAE}, true, true, "CR4.PAE"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr4 = CR4_LA57}, true, true, "CR4.LA57"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr4 = CR4_SMEP}, true, true, "CR4.SMEP"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr4 = CR4_SMAP}, true, true, "CR4.SMAP"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .cr4 = CR4_PKE}, true, true, "CR4.PKE"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .efer = EFER_NX}, true, true, "EFER.NX"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .efer = EFER_LME}, true, true, "EFER.LME"},
	{{.cr0 = CR0_PE}, {.cr0 = CR0_PE, .efer = EFER_SCE}, false, true, "EFER.SCE"},
	{{.cr0 = LONG_CR0, .cr4 = CR4_PAE, .efer = LONG_EFER},
	 {.cr0 = LONG_CR0, .cr3 = 0x2000, .cr4 = CR4_PAE, .efer = LONG_EFER},
	 false,
	 true,
	 "CR3 in long mode"},
};

static void check_change(struct guest *guest, const struct change *change,
			 enum tdp_register_change how, bool drops)
{
	struct tdp_registers now;

	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &change->from, TDP_CHANGE_SREGS), 0);
	assert_int_equal(tdp_vcpu_load_root(guest->vcpu), 0);
	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &change->to, how), 0);
	if ((tdp_vcpu_root(guest->vcpu).n == 0) != drops)
		fail_msg("%s %s the root", change->what, drops ? "keeps" : "drops");
	tdp_vcpu_registers(guest->vcpu, &now);
	assert_memory_equal(&now, &change->to, sizeof(now));
}

static void a_change_of_registers_drops_the_root_as_kvm_does(void **state)
{
	struct guest *guest = with_root(state, &plain);

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		check_change(guest, &changes[i], TDP_CHANGE_GUEST, changes[i].guest);
		check_change(guest, &changes[i], TDP_CHANGE_SREGS, changes[i].sregs);
	}
	assert_int_equal(guest_count(guest, TDP_TRACE_GET_PAGE), 0);
}

static void what_the_processor_refuses_changes_nothing(void **state)
{
	struct guest *guest = with_root(state, &plain);
	struct tdp_registers before, after;
	static const struct tdp_registers bad[] = {
		{.cr0 = CR0_PG},
		{.cr0 = LONG_CR0, .efer = EFER_LME},
		{.cr0 = LONG_CR0, .cr4 = CR4_PAE},
	};

	tdp_vcpu_registers(guest->vcpu, &before);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		guest_refused(guest, tdp_vcpu_set_registers(guest->vcpu, &bad[i], TDP_CHANGE_GUEST),
			      -EINVAL);
	tdp_vcpu_registers(guest->vcpu, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_true(guest_access(guest, AT << 12, TDP_WRITE).tlb_hit);
}

static void registers_that_no_processor_takes_are_refused(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 1);
	const uint64_t refused[] = {~0ULL, 1ULL << 32 | 1, 1ULL << 29 | 1, 1ULL << 31};
	struct tdp_registers before, after;

	tdp_vcpu_registers(guest->vcpu, &before);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct tdp_registers registers = before;

		registers.cr0 = refused[i];
		assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_SREGS),
				 -EINVAL);
	}
	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &before, (enum tdp_register_change)99),
			 -EINVAL);
	tdp_vcpu_registers(guest->vcpu, &after);
	assert_memory_equal(&after, &before, sizeof(after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_root_is_made_at_the_first_entry_only),
		guest_test(a_root_has_a_reference_of_its_vcpu_and_one_of_the_mmu),
		guest_tests(a_root_that_nobody_has_loaded_waits_for_reuse),
		guest_tests(an_invalidated_root_is_never_found_again),
		guest_test(every_vcpu_leaves_an_invalidated_root_by_itself),
		guest_tests(loading_a_root_empties_the_tlb),
		guest_tests(roles_are_the_words_of_the_traces),
		guest_test_ept(five_levels_and_missing_flags_stand_in_the_role),
		guest_tests(npt_is_as_deep_as_the_host_ept_only_as_the_guest_needs),
		guest_test_ept(vcpus_of_different_width_have_different_roots),
		guest_tests(smm_has_slots_and_a_root_of_its_own),
		guest_tests(a_guest_of_the_guest_has_a_root_of_its_own),
		guest_tests(where_the_cpu_logs_no_writes_l2_is_like_l1),
		guest_test(without_a_second_address_space_there_is_no_smm),
		guest_test(a_change_of_registers_drops_the_root_as_kvm_does),
		guest_test(what_the_processor_refuses_changes_nothing),
		guest_test(registers_that_no_processor_takes_are_refused),
	};

	return cmocka_run_group_tests_name("mmu/root", tests, NULL, NULL);
}
