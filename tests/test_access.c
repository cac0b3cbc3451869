/*
 * Accesses of a running guest: data, exits, accessed and dirty flags, the TLB, and
 * addresses that the guest's own page tables translate first.
 */
#include "support/guest.h"

#include <errno.h>
#include <string.h>

#define AT 0x40000ULL

/* The scripted backing's page under `gfn`, as the host sees it. */
static void *page_of(const struct guest *guest, uint64_t gfn)
{
	return tdp_host_frame(guest->host, guest_walk(guest, gfn, TDP_READ).pfn);
}

static int access_data(struct guest *guest, uint64_t address, enum tdp_access access, void *data,
		       size_t bytes, struct tdp_access_result *result)
{
	struct tdp_access_request request = {
		.address = address,
		.access = access,
		.data = data,
		.bytes = bytes,
	};

	return tdp_vcpu_access(guest->vcpu, &request, result);
}

/* Data */

static void what_is_written_is_read_back(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_result result;
	uint32_t out = 0xf4f4f4f4, in = 0;

	guest_slot(guest, 1, AT, 16, 0);
	assert_int_equal(access_data(guest, (AT << 12) + 0xabc, TDP_WRITE, &out, 4, &result), 0);
	assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	assert_int_equal(result.faults, 1);
	assert_memory_equal((char *)page_of(guest, AT) + 0xabc, &out, 4);
	assert_int_equal(access_data(guest, (AT << 12) + 0xabc, TDP_READ, &in, 4, &result), 0);
	assert_int_equal(in, out);
	assert_int_equal(result.faults, 0);
	assert_true(result.tlb_hit);
	assert_int_equal(result.pfn.n, guest_walk(guest, AT, TDP_READ).pfn.n);
}

static void another_vcpu_reads_what_one_wrote(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .vcpus = 2);
	struct tdp_access_result result;
	char out[] = "across", in[sizeof(out)];
	struct tdp_access_request request = {.address = AT << 12, .data = in, .bytes = sizeof(in)};

	guest_slot(guest, 1, AT, 16, 0);
	assert_int_equal(access_data(guest, AT << 12, TDP_WRITE, out, sizeof(out), &result), 0);
	assert_int_equal(tdp_vcpu_access(guest->vcpus[1], &request, &result), 0);
	assert_string_equal(in, out);
	assert_int_equal(result.faults, 0);
}

static void every_size_up_to_a_page_arrives_whole(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_result result;
	uint8_t out[TDP_PAGE_SIZE], in[TDP_PAGE_SIZE];

	guest_slot(guest, 1, AT, 16, 0);
	for (size_t bytes = 0; bytes <= TDP_PAGE_SIZE; bytes += bytes < 70 ? 1 : 671) {
		uint64_t at = (AT << 12) + (bytes < 70 ? bytes % 9 : 0);

		memset(out, (int)bytes + 1, sizeof(out));
		memset(in, 0, sizeof(in));
		assert_int_equal(access_data(guest, at, TDP_WRITE, out, bytes, &result), 0);
		assert_int_equal(access_data(guest, at, TDP_READ, in, bytes, &result), 0);
		assert_memory_equal(in, out, bytes);
		if (bytes < TDP_PAGE_SIZE)
			assert_int_equal(in[bytes], 0);
	}
}

static void an_access_without_data_leaves_the_page_alone(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_READ);
	memset(page_of(guest, AT), 0x55, TDP_PAGE_SIZE);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(((uint8_t *)page_of(guest, AT))[0], 0x55);
}

static void an_access_that_crosses_a_page_is_refused(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_result result;
	uint8_t data[2 * TDP_PAGE_SIZE] = {0};
	struct tdp_access_request request = {
		.address = (AT << 12) + 1, .data = data, .bytes = 4096};

	guest_slot(guest, 1, AT, 16, 0);
	assert_int_equal(access_data(guest, (AT << 12) + 4092, TDP_WRITE, data, 4, &result), 0);
	guest->reports = 0;
	guest_refused(guest, access_data(guest, (AT << 12) + 4093, TDP_WRITE, data, 4, &result),
		      -EINVAL);
	guest_refused(guest, access_data(guest, AT << 12, TDP_READ, data, 4097, &result), -EINVAL);
	guest_refused(guest, access_data(guest, AT << 12, TDP_READ, data, ~(size_t)0, &result),
		      -EINVAL);
	guest_refused(guest, tdp_vcpu_enter(guest->vcpu, &request, &result), -EINVAL);
	assert_int_equal(guest_stats(guest).accesses, 1);
	assert_int_equal(guest_level(guest, AT + 1), TDP_NOT_MAPPED);
}

static void an_access_of_no_known_kind_is_refused(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_request request = {.address = AT << 12, .access = (enum tdp_access)3};
	struct tdp_access_result result;

	guest_slot(guest, 1, AT, 16, 0);
	guest_refused(guest, tdp_vcpu_access(guest->vcpu, &request, &result), -EINVAL);
	guest_refused(guest, tdp_vcpu_enter(guest->vcpu, &request, &result), -EINVAL);
}

static void a_frame_that_the_host_does_not_have_is_not_reached(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .host.memory_bytes = 4ULL << 30);
	struct tdp_backing larger = guest->script.backing;
	struct tdp_memslot slot;
	struct tdp_access_result result;

	/* All of the host's memory is carve-out; the slot goes on behind it. */
	larger.bytes *= 2;
	slot = guest_slot_of(guest, 1, AT, 16, (4ULL << 30) >> 12);
	slot.backing = &larger;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
	result = guest_access(guest, AT << 12, TDP_READ);
	assert_int_equal(result.outcome, TDP_ACCESS_REFUSED);
	assert_int_equal(result.error, -EFAULT);
	guest_slot_delete(guest, 1);
}

/* Exits, one by one */

static void one_attempt_reports_its_exit_and_changes_nothing(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_access_request request = {
		.address = (AT << 12) + 8, .access = TDP_WRITE, .rip = 0x99};
	struct tdp_access_result result;
	enum tdp_fault_result came_of;

	guest_slot(guest, 1, AT, 16, 0);
	assert_int_equal(tdp_vcpu_enter(guest->vcpu, &request, &result), 0);
	assert_int_equal(result.outcome, TDP_ACCESS_FAULT);
	assert_int_equal(result.fault.gpa, (AT << 12) + 8);
	assert_int_equal(result.fault.rip, 0x99);
	assert_int_equal(result.fault.error_code,
			 guest->config.vm.format == TDP_EPT ? 0x182 : 0x100000006);
	assert_int_equal(guest_stats(guest).pf_taken, 0);
	assert_int_equal(tdp_vcpu_fault(guest->vcpu, &result.fault, &came_of), 0);
	assert_int_equal(came_of, TDP_FAULT_FIXED);
	assert_int_equal(tdp_vcpu_enter(guest->vcpu, &request, &result), 0);
	assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	assert_int_equal(guest_stats(guest).exits, 1);
}

/* Accessed and dirty flags */

static void the_hardware_sets_the_dirty_flag_without_an_exit(void **state)
{
	struct guest *guest = guest_make(state, .vm.baseline = TDP_BASELINE_6_12);
	bool ept = guest->config.vm.format == TDP_EPT;
	uint64_t clean = ept ? 0x8600000000000977 : 0xe27;

	/* Until 6.12 a leaf in an MMIO entry's place was born clean. */
	guest_access(guest, AT << 12, TDP_READ);
	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_READ);
	assert_int_equal(guest_entry_bits(guest, AT), clean);
	assert_true(guest_access(guest, AT << 12, TDP_READ).tlb_hit);
	/* The TLB's entry is not dirty: the write walks, and then hits. */
	assert_false(guest_access(guest, AT << 12, TDP_WRITE).tlb_hit);
	assert_int_equal(guest_entry_bits(guest, AT), ept ? 0x8600000000000b77 : 0xe67);
	assert_true(guest_access(guest, AT << 12, TDP_WRITE).tlb_hit);
	assert_int_equal(guest_stats(guest).pf_fixed, 1);
}

static void without_hardware_flags_none_is_set(void **state)
{
	struct guest *guest = guest_make(state, .vm.no_ad = true, .vm.baseline = TDP_BASELINE_6_12);

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000877);
	guest_touch(guest, AT, TDP_WRITE);
	guest_touch(guest, AT, TDP_FETCH);
	assert_int_equal(guest_entry_bits(guest, AT), 0x8610000000000877);
}

/* The guest's own tables. They lie in slot 2, at frames TABLES and up. */

#define TABLES	 0x100ULL
#define CR0_PG	 0x80000011ULL
#define CR4_PSE	 0x10ULL
#define CR4_PAE	 0x20ULL
#define EFER_LMA 0x500ULL

static struct guest *with_tables(void **state, const struct guest_config *config)
{
	struct guest *guest = guest_make_as(state, config);

	guest_slot(guest, 1, AT, 1024, 0);
	guest_slot(guest, 2, TABLES, 16, 2048);
	for (unsigned int i = 0; i < 16; i++)
		memset(tdp_host_frame(guest->host,
				      tdp_pfn(tdp_host_carveout(guest->host).n + 2048 + i)),
		       0, TDP_PAGE_SIZE);
	return guest;
}

static void *table(const struct guest *guest, unsigned int nth)
{
	return tdp_host_frame(guest->host, tdp_pfn(tdp_host_carveout(guest->host).n + 2048 + nth));
}

static void enter_mode(struct guest *guest, uint64_t cr4, uint64_t efer)
{
	struct tdp_registers registers = {
		.cr0 = CR0_PG, .cr3 = TABLES << 12, .cr4 = cr4, .efer = efer};

	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_SREGS), 0);
}

static const struct guest_config scripted = {.scripted = true};

static void a_4m_page_of_a_32_bit_guest_is_walked_through(void **state)
{
	struct guest *guest = with_tables(state, &scripted);
	bool ept = guest->config.vm.format == TDP_EPT;
	struct tdp_access_result result;
	uint32_t *directory = table(guest, 0);

	directory[3] = (uint32_t)(AT << 12) | 0x83;
	enter_mode(guest, CR4_PSE, 0);
	result = guest_access(guest, (3 << 22) + 0x5123, TDP_WRITE);
	assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	assert_int_equal(result.pfn.n, tdp_host_carveout(guest->host).n + 5);
	/* One exit for the directory, which the hardware means to write, one for the page. */
	assert_int_equal(result.faults, 2);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 0)->page_fault.address,
			 (TABLES << 12) + 3 * 4);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 0)->page_fault.error_code,
			 ept ? 0x83 : 0x200000006);
	assert_int_equal(guest_event(guest, TDP_TRACE_PAGE_FAULT, 1)->page_fault.address,
			 (AT << 12) + 0x5123);
	/* Accessed and dirty, in the guest's entry. */
	assert_int_equal(directory[3] & 0x60, 0x60);
	assert_true(guest_access(guest, (3 << 22) + 0x5fff, TDP_WRITE).tlb_hit);
}

static void four_tables_of_a_long_mode_guest_are_walked_through(void **state)
{
	struct guest *guest = with_tables(state, &scripted);
	uint64_t linear = 0x7f1234567000, entry, *at;
	struct tdp_access_result result;

	for (unsigned int level = 4; level >= 1; level--) {
		at = (uint64_t *)table(guest, 4 - level) + (linear >> (3 + 9 * level) & 511);
		entry = level > 1 ? TABLES + 5 - level : AT + 9;
		*at = entry << 12 | 3;
	}
	enter_mode(guest, CR4_PAE, EFER_LMA);
	result = guest_access(guest, linear + 0xabc, TDP_READ);
	assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	assert_int_equal(result.pfn.n, tdp_host_carveout(guest->host).n + 9);
	assert_int_equal(result.faults, 5);
	assert_true(guest_access(guest, linear, TDP_READ).tlb_hit);
	/* The read set A alone; a write sets D at the leaf, with a walk and no exit. */
	at = (uint64_t *)table(guest, 3) + (linear >> 12 & 511);
	assert_int_equal(*at & 0x60, 0x20);
	result = guest_access(guest, linear, TDP_WRITE);
	assert_int_equal(result.faults, 0);
	assert_false(result.tlb_hit);
	assert_int_equal(*at & 0x60, 0x60);
}

static void the_guests_own_refusal_is_its_own_affair(void **state)
{
	struct guest *guest = with_tables(state, &scripted);
	struct tdp_access_result result;
	uint32_t *directory = table(guest, 0);

	directory[3] = (uint32_t)(AT << 12) | 0x83; /* supervisor */
	enter_mode(guest, CR4_PSE, 0);
	result = guest_access(guest, 0x1000, TDP_WRITE);
	assert_int_equal(result.outcome, TDP_ACCESS_GUEST_FAULT);
	assert_int_equal(result.guest_error_code, 2);
	assert_int_equal(access_data(guest, 3 << 22, TDP_READ, NULL, 0, &result), 0);
	assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	assert_int_equal(
		tdp_vcpu_access(guest->vcpu,
				&(struct tdp_access_request){.address = 3 << 22, .user = true},
				&result),
		0);
	assert_int_equal(result.outcome, TDP_ACCESS_GUEST_FAULT);
	assert_int_equal(result.guest_error_code, 5);
	guest_faults_add_up(guest);
}

static void guest_tables_in_a_hole_go_to_user_space(void **state)
{
	struct guest *guest = with_tables(state, &scripted);
	struct tdp_registers registers = {.cr0 = CR0_PG, .cr3 = 0x70000000, .cr4 = CR4_PSE};
	struct tdp_access_result result;

	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_SREGS), 0);
	result = guest_access(guest, 0x1000, TDP_READ);
	assert_int_equal(result.outcome, TDP_ACCESS_MMIO);
	assert_int_equal(result.fault.gpa, 0x70000000);
}

static void another_cr3_means_another_translation(void **state)
{
	struct guest *guest = with_tables(state, &scripted);
	uint64_t base = tdp_host_carveout(guest->host).n;
	struct tdp_registers registers;
	uint32_t *first = table(guest, 0), *second = table(guest, 1);

	first[0] = (uint32_t)(AT << 12) | 0x83;
	second[0] = (uint32_t)((AT + 1024) << 12) | 0x83;
	guest_slot(guest, 3, AT + 1024, 1024, 4096);
	enter_mode(guest, CR4_PSE, 0);
	assert_int_equal(guest_access(guest, 0x3000, TDP_READ).pfn.n, base + 3);
	tdp_vcpu_registers(guest->vcpu, &registers);
	registers.cr3 += TDP_PAGE_SIZE;
	guest_forget(guest);
	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_GUEST), 0);
	assert_int_equal(guest_access(guest, 0x3000, TDP_READ).pfn.n, base + 4096 + 3);
	assert_int_equal(guest_count(guest, TDP_TRACE_LOAD_ROOT), 0);
	/* And without paging the address is the memory's own: there is none. */
	registers.cr0 = 0x11;
	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_GUEST), 0);
	assert_int_equal(guest_access(guest, 0x3000, TDP_READ).outcome, TDP_ACCESS_MMIO);
}

static void unmapping_a_page_of_guest_tables_is_seen_by_the_next_walk(void **state)
{
	struct guest *guest = with_tables(state, &scripted);
	uint32_t *directory = table(guest, 0);

	directory[0] = (uint32_t)(AT << 12) | 0x83;
	enter_mode(guest, CR4_PSE, 0);
	guest_access(guest, 0x3000, TDP_READ);
	guest_discard(guest, 2048, 1);
	/* The TLB was flushed: the table faults in again; the page itself is there. */
	assert_int_equal(guest_access(guest, 0x3000, TDP_READ).faults, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(what_is_written_is_read_back),
		guest_test(another_vcpu_reads_what_one_wrote),
		guest_test(every_size_up_to_a_page_arrives_whole),
		guest_test(an_access_without_data_leaves_the_page_alone),
		guest_test(an_access_that_crosses_a_page_is_refused),
		guest_test(an_access_of_no_known_kind_is_refused),
		guest_tests(a_frame_that_the_host_does_not_have_is_not_reached),
		guest_tests(one_attempt_reports_its_exit_and_changes_nothing),
		guest_tests(the_hardware_sets_the_dirty_flag_without_an_exit),
		guest_test_ept(without_hardware_flags_none_is_set),
		guest_tests(a_4m_page_of_a_32_bit_guest_is_walked_through),
		guest_tests(four_tables_of_a_long_mode_guest_are_walked_through),
		guest_tests(the_guests_own_refusal_is_its_own_affair),
		guest_tests(guest_tables_in_a_hole_go_to_user_space),
		guest_tests(another_cr3_means_another_translation),
		guest_tests(unmapping_a_page_of_guest_tables_is_seen_by_the_next_walk),
	};

	return cmocka_run_group_tests_name("vm/access", tests, NULL, NULL);
}
