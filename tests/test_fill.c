/*
 * The fast path of a fault descends before it takes mmu_lock (mmu/descent.h): it must not map into
 * an entry or a table that has changed by then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mmu/map_empty.h"
#include "support/checked.h"

/* A descent to an empty entry whose tables are there, with the page that is to be mapped. */
static struct fault fault_begin(struct checked *guest)
{
	struct mmu_context *context = &guest->vcpu[0]->context;
	struct mapped_page found = {.level = TDP_NOT_MAPPED};
	struct fault fault = {
		.context = context,
		.gfn = tdp_gfn(BASE_GFN + 1),
	};

	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	mmu_read_begin(&context->actor);
	fault.slot = memslot_find(memslots_of(&guest->vm->memory, 0), fault.gfn);
	assert_non_null(fault.slot->plain);
	fault.descent = descend_to_write(context, fault.gfn);
	assert_int_equal(fault.descent.level, TDP_4K);
	assert_true(
		page_map_find(fault.slot->plain, fault.gfn.n + fault.slot->plain_offset, &found));
	fault.page.pfn = found.pfn;
	fault.page.level = found.level;
	return fault;
}

static int fault_fill(struct fault *fault)
{
	struct mmu_shared shared = mmu_lock_shared(&fault->context->actor);
	int step = map_empty(shared, fault);

	mmu_unlock_shared(shared);
	return step;
}

static void an_empty_entry_is_filled_once(void **state)
{
	struct checked *guest = *state;
	struct fault fault = fault_begin(guest);

	assert_int_equal(fault_fill(&fault), STEP_FIXED);
	assert_int_equal(fault_fill(&fault), STEP_INVALID);
	mmu_read_end(&fault.context->actor);
	assert_int_equal(judge(guest), 0);
}

/* As by a recovery of huge pages under the exclusive lock, between the descent and the lock. */
static void nothing_is_put_into_a_table_that_was_taken_out(void **state)
{
	struct checked *guest = *state;
	struct fault fault = fault_begin(guest);
	uint64_t nonpresent = guest->vm->mmu.encoding.nonpresent;

	u64_store_release(fault.descent.link, nonpresent);
	assert_int_equal(fault_fill(&fault), STEP_INVALID);
	assert_int_equal(u64_load_relaxed(fault.descent.slot), nonpresent);
	u64_store_release(fault.descent.link, fault.descent.linked);
	mmu_read_end(&fault.context->actor);
	assert_int_equal(judge(guest), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(an_empty_entry_is_filled_once),
		guest_test(nothing_is_put_into_a_table_that_was_taken_out),
	};

	return cmocka_run_group_tests_name("mmu/fill", tests, NULL, NULL);
}
