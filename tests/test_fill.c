/*
 * The short way of a fault (mmu/fill.h) goes down before mmu_lock is taken: what has
 * changed by then must not be filled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mmu/fill.h"
#include "support/checked.h"

/* A way to a hole whose tables are there, and the page that is to be mapped. */
struct errand {
	struct mmu_context *context;
	const struct memslot *slot;
	tdp_gfn_t gfn;
	struct way way;
	tdp_pfn_t pfn;
};

static struct errand errand_begin(struct guest *guest)
{
	struct errand errand = {
		.context = &guest->vcpu[0]->context,
		.gfn = tdp_gfn(BASE_GFN + 1),
	};
	struct mapped_page found = {.level = TDP_NOT_MAPPED};

	assert_int_equal(touch(guest, 0, BASE_GFN, TDP_WRITE), TDP_ACCESS_DONE);
	mmu_read_begin(&errand.context->actor);
	errand.slot = memslot_find(memslots_of(&guest->vm->memory, 0), errand.gfn);
	assert_non_null(errand.slot->plain);
	errand.way = fill_way(errand.context, errand.gfn);
	assert_int_equal(errand.way.level, TDP_4K);
	assert_true(page_map_find(errand.slot->plain, errand.gfn.n + errand.slot->plain_offset,
				  &found));
	errand.pfn = found.pfn;
	return errand;
}

static int errand_fill(const struct errand *errand)
{
	struct mmu_shared shared = mmu_lock_shared(&errand->context->actor);
	int step = fill_hole(shared, errand->context, errand->slot, errand->gfn, false, errand->pfn,
			     errand->way);

	mmu_unlock_shared(shared);
	return step;
}

static void a_hole_is_filled_once(void **state)
{
	struct guest *guest = *state;
	struct errand errand = errand_begin(guest);

	assert_int_equal(errand_fill(&errand), STEP_FIXED);
	assert_int_equal(errand_fill(&errand), STEP_INVALID);
	mmu_read_end(&errand.context->actor);
	assert_int_equal(judge(guest), 0);
}

/* As by a recovery of huge pages under the exclusive lock, between the way and the lock. */
static void nothing_is_put_into_a_table_that_was_taken_out(void **state)
{
	struct guest *guest = *state;
	struct errand errand = errand_begin(guest);
	uint64_t nonpresent = guest->vm->mmu.encoding.nonpresent;

	u64_store_release(errand.way.link, nonpresent);
	assert_int_equal(errand_fill(&errand), STEP_INVALID);
	assert_int_equal(u64_load_relaxed(errand.way.slot), nonpresent);
	u64_store_release(errand.way.link, errand.way.linked);
	mmu_read_end(&errand.context->actor);
	assert_int_equal(judge(guest), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_test(a_hole_is_filled_once),
		guest_test(nothing_is_put_into_a_table_that_was_taken_out),
	};

	return cmocka_run_group_tests_name("mmu/fill", tests, NULL, NULL);
}
