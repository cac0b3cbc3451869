/*
 * Stalls: an access that needs an exit is timed from there until it is done, once, however many
 * exits it takes; an access without an exit is not timed.
 */
#include "support/deadline.h"
#include "support/logged.h"

#include <errno.h>
#include <stdlib.h>

/* Fixtures keep the histogram, which is large, off the stack. */
static struct tdp_histogram *histogram_new(void)
{
	struct tdp_histogram *histogram = calloc(1, sizeof(*histogram));

	assert_non_null(histogram);
	return histogram;
}

static void an_access_that_exits_is_counted_and_one_that_hits_is_not(void **state)
{
	struct guest *guest = guest_make(state, .vcpus = 2);
	struct tdp_histogram *stalls = histogram_new();

	guest_slot(guest, 1, AT, 64, 0);
	tdp_vcpu_time_stalls(guest->vcpu, stalls);
	for (unsigned int pass = 0; pass < 2; pass++)
		for (unsigned int i = 0; i < 64; i++)
			guest_touch(guest, AT + i, TDP_WRITE);
	assert_int_equal(stalls->count, 64);
	assert_true(stalls->largest <= stalls->sum);
	assert_true(stalls->sum > 0);
	/* Another vCPU's walks find what is mapped: no exit, and no histogram of its own. */
	guest_touch_on(guest->vcpus[1], AT, TDP_READ);
	assert_int_equal(stalls->count, 64);
	free(stalls);
}

static void without_a_histogram_nothing_is_timed(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_histogram *stalls = histogram_new();

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	tdp_vcpu_time_stalls(guest->vcpu, stalls);
	guest_touch(guest, AT + 1, TDP_WRITE);
	tdp_vcpu_time_stalls(guest->vcpu, NULL);
	guest_touch(guest, AT + 2, TDP_WRITE);
	assert_int_equal(stalls->count, 1);
	free(stalls);
}

static void an_exit_to_user_space_is_a_stall_too(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_histogram *stalls = histogram_new();

	tdp_vcpu_time_stalls(guest->vcpu, stalls);
	assert_int_equal(guest_access(guest, AT << 12, TDP_READ).outcome, TDP_ACCESS_MMIO);
	assert_int_equal(stalls->count, 1);
	free(stalls);
}

/* The host changes its mind about the page while it is asked for it. */
static void change_the_mapping(struct guest *guest)
{
	uint64_t hva = guest->backing->hva;

	guest->script.inside = NULL;
	tdp_host_invalidate_begin(guest->host, hva, hva + TDP_PAGE_SIZE);
	tdp_host_invalidate_end(guest->host, hva, hva + TDP_PAGE_SIZE);
}

static void an_access_that_faults_again_is_one_stall(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_histogram *stalls = histogram_new();

	guest_slot(guest, 1, AT, 16, 0);
	guest->script.inside = change_the_mapping;
	tdp_vcpu_time_stalls(guest->vcpu, stalls);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 2);
	assert_int_equal(stalls->count, 1);
	free(stalls);
}

static void take_a_moment(struct guest *guest)
{
	(void)guest;
	let_a_moment_pass();
}

static int touch_slowly(struct tdp_actor *self, void *arg)
{
	struct guest *guest = arg;
	struct tdp_access_request request = {.address = AT << 12};
	struct tdp_access_result result;
	int err = tdp_vcpu_access(guest->vcpu, &request, &result);

	(void)self;
	guest->script.inside = take_a_moment;
	request.address += TDP_PAGE_SIZE;
	return err ? err : tdp_vcpu_access(guest->vcpu, &request, &result);
}

static void what_the_host_takes_is_in_the_stall(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true);
	struct tdp_actor_config actor = {.body = touch_slowly, .arg = guest};
	struct tdp_histogram *stalls = histogram_new();

	guest_slot(guest, 1, AT, 16, 0);
	tdp_vcpu_time_stalls(guest->vcpu, stalls);
	assert_int_equal(tdp_run(NULL, &actor, 1, NULL), 0);
	assert_int_equal(stalls->count, 2);
	assert_true(stalls->largest >= MOMENT_NS);
	assert_true(stalls->sum >= MOMENT_NS);
	assert_int_equal(tdp_histogram_percentile(stalls, 100), stalls->largest);
	free(stalls);
}

static int make_room_after_a_moment(struct guest *guest)
{
	struct tdp_dirty_page page;

	let_a_moment_pass();
	return tdp_vcpu_harvest_dirty_ring(guest->vcpu, &page, 1) == 1
		       ? tdp_vm_reset_dirty_rings(guest->vm, NULL)
		       : -ENOENT;
}

static int write_until_there_is_no_room(struct tdp_actor *self, void *arg)
{
	struct guest *guest = arg;
	struct tdp_access_request request = {.address = AT << 12, .access = TDP_WRITE};
	struct tdp_access_result result;
	int err;

	(void)self;
	do {
		err = tdp_vcpu_access(guest->vcpu, &request, &result);
		request.address += TDP_PAGE_SIZE;
	} while (!err && result.outcome == TDP_ACCESS_DONE);
	if (!err)
		err = make_room_after_a_moment(guest);
	request.address -= TDP_PAGE_SIZE;
	return err ? err : tdp_vcpu_access(guest->vcpu, &request, &result);
}

static void making_room_in_a_full_ring_is_part_of_the_stall(void **state)
{
	struct guest *guest = guest_make(state, .vm = {.dirty_ring = 1024});
	struct tdp_actor_config actor = {.body = write_until_there_is_no_room, .arg = guest};
	struct tdp_histogram *stalls = histogram_new();

	slot_logged_as(guest, 1, AT, 1024, 0);
	tdp_vcpu_time_stalls(guest->vcpu, stalls);
	assert_int_equal(tdp_run(NULL, &actor, 1, NULL), 0);
	assert_int_equal(stalls->count, 1024 - 64);
	assert_true(stalls->largest >= MOMENT_NS);
	free(stalls);
}

static void an_exit_that_empties_the_cpus_log_is_a_stall(void **state)
{
	struct guest *guest = guest_make(state);
	struct tdp_histogram *stalls = histogram_new();

	guest_slot(guest, 1, AT, 1024, 0);
	for (unsigned int i = 0; i < 1024; i++)
		guest_touch(guest, AT + i, TDP_WRITE);
	slot_logged_as(guest, 1, AT, 1024, 0);
	tdp_vcpu_time_stalls(guest->vcpu, stalls);
	for (unsigned int i = 0; i < 513; i++)
		assert_int_equal(guest_touch(guest, AT + i, TDP_WRITE), 0);
	assert_int_equal(stalls->count, 1);
	free(stalls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(an_access_that_exits_is_counted_and_one_that_hits_is_not),
		guest_test(without_a_histogram_nothing_is_timed),
		guest_tests(an_exit_to_user_space_is_a_stall_too),
		guest_test(an_access_that_faults_again_is_one_stall),
		guest_test(what_the_host_takes_is_in_the_stall),
		guest_test(making_room_in_a_full_ring_is_part_of_the_stall),
		guest_test_ept(an_exit_that_empties_the_cpus_log_is_a_stall),
	};

	return cmocka_run_group_tests_name("vm/stall", tests, NULL, NULL);
}
