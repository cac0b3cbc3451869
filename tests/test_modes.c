/*
 * Mode-based execute control (MBEC, EPT) and guest-mode execute trap (GMET, NPT) in use, as 7.2
 * uses them: what the guest may do, and what entries and events look like. No capture has a
 * machine with either, so every value here is derived from the kernel's bit tables.
 */
#include "support/guest.h"

#include <string.h>

#define AT     0x40000ULL
#define HOLE   0x80000ULL
#define REGION 512ULL

static struct guest *guest_in_use(void **state, struct guest_config config)
{
	const struct guest *kind = *state;
	bool ept = kind->config.vm.format == TDP_EPT;
	struct guest *guest;

	config.vm.baseline = TDP_BASELINE_7_2;
	config.vm.mbec = ept;
	config.vm.gmet = !ept;
	guest = guest_make_as(state, &config);
	guest_slot(guest, 1, AT, 4 * REGION, 0);
	return guest;
}

static bool is_ept(const struct guest *guest)
{
	return guest->config.vm.format == TDP_EPT;
}

static struct tdp_access_result access_as(struct guest *guest, uint64_t gpa, enum tdp_access access,
					  bool user)
{
	const struct tdp_access_request request = {.address = gpa, .access = access, .user = user};
	struct tdp_access_result result;

	assert_int_equal(tdp_vcpu_access(guest->vcpu, &request, &result), 0);
	return result;
}

static const char *text_of(const struct guest *guest, enum tdp_trace_kind kind, size_t nth)
{
	static char text[256];

	tdp_trace_text(guest_event(guest, kind, nth), text, sizeof(text));
	return text;
}

/* The guest's own table: one directory of a 32-bit guest, with 4M pages over slot 1. */

#define DIRECTORY  (AT + 1024)
#define SUPERVISOR (1ULL << 22)
#define USER	   (2ULL << 22)
#define CR0_PG	   0x80000011ULL
#define CR4_PSE	   0x10ULL

static void turn_paging_on(struct guest *guest)
{
	const struct tdp_registers registers = {
		.cr0 = CR0_PG, .cr3 = DIRECTORY << 12, .cr4 = CR4_PSE};
	uint32_t *directory;

	guest_touch(guest, DIRECTORY, TDP_WRITE);
	directory = tdp_host_frame(guest->host, guest_walk(guest, DIRECTORY, TDP_READ).pfn);
	directory[1] = (uint32_t)(AT << 12) | 0x83;
	directory[2] = (uint32_t)(AT << 12) | 0x87;
	assert_int_equal(tdp_vcpu_set_registers(guest->vcpu, &registers, TDP_CHANGE_SREGS), 0);
}

static void code_of_each_privilege_may_fetch_read_and_write(void **state)
{
	struct guest *guest = guest_in_use(state, (struct guest_config){0});

	turn_paging_on(guest);
	assert_int_equal(access_as(guest, SUPERVISOR, TDP_FETCH, false).outcome, TDP_ACCESS_DONE);
	for (int access = TDP_READ; access <= TDP_FETCH; access++) {
		struct tdp_access_result supervisor =
			access_as(guest, SUPERVISOR, (enum tdp_access)access, false);
		struct tdp_access_result user =
			access_as(guest, USER, (enum tdp_access)access, true);

		assert_int_equal(supervisor.outcome, TDP_ACCESS_DONE);
		assert_int_equal(user.outcome, TDP_ACCESS_DONE);
		assert_int_equal(supervisor.faults + user.faults, 0);
	}
}

static void gmet_takes_u_from_leaves_and_leaves_it_in_tables(void **state)
{
	struct guest *guest = guest_in_use(state, (struct guest_config){0});

	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), is_ept(guest) ? 0x80a0000000000f77 : 0xe63);
	assert_int_equal(guest_changes(guest, 2, guest_nonpresent(guest),
				       is_ept(guest) ? 0x8000000000000d07 : 0x827),
			 1);
}

static void events_show_the_role_and_its_access(void **state)
{
	struct guest *guest = guest_in_use(state, (struct guest_config){0});
	bool ept = is_ept(guest);

	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_event(guest, TDP_TRACE_GET_PAGE, 0)->page.role,
			 ept ? 0x106f84 : 0x106b84);
	assert_non_null(strstr(text_of(guest, TDP_TRACE_GET_PAGE, 0),
			       ept ? " direct rwux nxe ad root" : " direct rw-x nxe ad root"));
	assert_non_null(strstr(text_of(guest, TDP_TRACE_SPTE_REQUESTED, 0),
			       ept ? " level 1 access f" : " level 1 access b"));
	assert_non_null(
		strstr(text_of(guest, TDP_TRACE_SET_SPTE, 0), ept ? " (rwxu) " : " (rwx-) "));
}

static unsigned int access_marked(struct guest *guest, uint64_t gfn)
{
	guest_forget(guest);
	assert_int_equal(guest_access(guest, gfn << 12, TDP_READ).outcome, TDP_ACCESS_MMIO);
	return guest_event(guest, TDP_TRACE_MARK_MMIO_SPTE, 0)->mark_mmio.access;
}

/* The event shows bits 0 to 3; bit 3 is the lowest of the generation, odd with one space only. */
static void an_mmio_entry_has_no_u_under_gmet(void **state)
{
	struct guest *guest = guest_in_use(state, (struct guest_config){.vm.address_spaces = 1});
	bool ept = is_ept(guest);

	assert_int_equal(access_marked(guest, HOLE), ept ? 0xe : 0xb);
	assert_int_equal(guest_entry(guest, HOLE) & 7, ept ? 6 : 3);
	guest_access(guest, HOLE << 12, TDP_READ);
	guest_slot(guest, 2, HOLE + REGION, 1, 0);
	assert_int_equal(access_marked(guest, HOLE + 1), ept ? 6 : 3);
}

static void a_fetch_splits_an_nx_leaf_into_parts_of_the_same_mode(void **state)
{
	struct guest *guest = guest_in_use(
		state, (struct guest_config){.page = TDP_2M, .policy.nx_huge_pages = TDP_ON});
	bool ept = is_ept(guest);

	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT),
			 ept ? 0x80a0000000000bf3 : 0x8000000000000ee3);
	assert_non_null(strstr(text_of(guest, TDP_TRACE_SET_SPTE, 0), " (rw--) "));
	assert_int_equal(access_as(guest, AT << 12, TDP_FETCH, true).faults, 1);
	for (uint64_t i = 0; i < REGION; i++)
		assert_int_equal(guest_entry_bits(guest, AT + i), ept ? 0x80a0000000000f77 : 0xe63);
	assert_int_equal(access_as(guest, AT << 12, TDP_FETCH, false).faults, 0);
}

/* Bit 10 alone would make the entry present. */
static void an_old_page_is_not_present_under_mbec(void **state)
{
	struct guest *guest =
		guest_in_use(state, (struct guest_config){.vm.no_ad = true, .vcpu.no_tlb = true});
	uint64_t hva = guest->backing->hva;

	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), 0x90a0000000000f77);
	assert_true(tdp_host_age(guest->host, hva, hva + TDP_PAGE_SIZE));
	assert_int_equal(guest_level(guest, AT), TDP_NOT_MAPPED);
	guest_forget(guest);
	assert_int_equal(guest_touch(guest, AT, TDP_FETCH), 1);
	/* No right was there before: the word has no P. */
	assert_non_null(strstr(text_of(guest, TDP_TRACE_FAST_PAGE_FAULT, 0),
			       "error_code U|F|0x100000000 sptep"));
	assert_int_equal(guest_touch(guest, AT, TDP_READ), 0);
}

static uint64_t error_of_write(struct guest *guest, uint64_t linear, bool user)
{
	guest_forget(guest);
	assert_int_equal(access_as(guest, linear, TDP_WRITE, user).faults, 1);
	return guest_event(guest, TDP_TRACE_FAST_PAGE_FAULT, 0)->fast_page_fault.error_code;
}

/* Advanced exit information, which comes with MBEC, says whose the linear address is. */
static void the_error_word_has_u_for_user_addresses_alone(void **state)
{
	struct guest *guest = guest_in_use(
		state, (struct guest_config){.policy.dirty_track = TDP_DIRTY_TRACK_WRPROT});
	struct tdp_memslot logged = guest_slot_of(guest, 1, AT, 4 * REGION, 0);

	turn_paging_on(guest);
	for (uint64_t page = 0; page < 3; page++)
		access_as(guest, SUPERVISOR | page << 12, TDP_WRITE, false);
	logged.log_dirty = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &logged), 0);
	guest_touch(guest, SUPERVISOR >> 12, TDP_READ); /* the directory's own exit */
	assert_int_equal(error_of_write(guest, SUPERVISOR, false), 0x100000003);
	assert_int_equal(error_of_write(guest, USER | 1 << 12, true), 0x100000007);
	/* The address says it, not the code's privilege. */
	assert_int_equal(error_of_write(guest, USER | 2 << 12, false), 0x100000007);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(code_of_each_privilege_may_fetch_read_and_write),
		guest_tests(gmet_takes_u_from_leaves_and_leaves_it_in_tables),
		guest_tests(events_show_the_role_and_its_access),
		guest_tests(an_mmio_entry_has_no_u_under_gmet),
		guest_tests(a_fetch_splits_an_nx_leaf_into_parts_of_the_same_mode),
		guest_test_ept(an_old_page_is_not_present_under_mbec),
		guest_test_ept(the_error_word_has_u_for_user_addresses_alone),
	};

	return cmocka_run_group_tests_name("paging/modes", tests, NULL, NULL);
}
