/*
 * The checker: a VM in order has no violation, whatever was done to it, at rest or
 * while it works.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <tdpsim/iter.h>
#include <tdpsim/mmu.h>
#include <tdpsim/run.h>

#include "support/checked.h"

static void work_and_check(const struct shape *shape)
{
	struct checked guest;

	checked_begin(&guest, shape);
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
	checked_end(&guest);
}

static void a_vm_in_order_has_no_violation_in_any_shape(void **state)
{
	(void)state;
	for (int format = TDP_NPT; format <= TDP_EPT; format++)
		for (int baseline = TDP_BASELINE_LATEST; baseline <= TDP_BASELINE_7_2; baseline++)
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

static void what_was_noted_is_told_once(void **state)
{
	struct checked *guest = *state;

	mmu_note(&guest->vm->mmu, TDP_INVARIANT_STALE_ACCESS, "%s", "seen");
	mmu_note(&guest->vm->mmu, TDP_INVARIANT_STALE_ACCESS, "%s", "seen");
	assert_int_equal(judge(guest), 2);
	assert_int_equal(guest->found[TDP_INVARIANT_STALE_ACCESS], 1);
	assert_in_order(guest);
}

#define ROUNDS 200

struct busy {
	struct checked *guest;
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
	struct checked *guest = busy->guest;
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
	struct checked *guest = *state;
	struct busy busy = {.guest = guest};
	const struct tdp_actor_config actors[] = {
		{.body = run_vcpu, .arg = &busy},    {.body = run_vcpu, .arg = &busy},
		{.body = run_host, .arg = &busy},    {.body = run_reader, .arg = &busy},
		{.body = run_checker, .arg = &busy},
	};

	assert_int_equal(tdp_flag_create(&busy.stop), 0);
	if (tdp_run(NULL, actors, sizeof(actors) / sizeof(actors[0]), NULL))
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_in_order_has_no_violation_in_any_shape),
		guest_test(what_was_noted_is_told_once),
		guest_test(a_vm_at_work_stands_still_for_the_check_and_has_no_violation),
		guest_2m_test(a_vm_at_work_stands_still_for_the_check_and_has_no_violation),
		cmocka_unit_test(every_invariant_has_a_name),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
