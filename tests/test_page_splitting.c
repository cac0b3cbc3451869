/*
 * The oracle of the kernel's own dirty_log_page_splitting_test (6.12): two vCPUs write
 * to two slots of huge memory, which are logged for a while. What is counted of leaves
 * after each step is the selftest's.
 */
#include "support/guest.h"

#define AT    0x40000ULL
#define SLOTS 2

struct test {
	struct guest *guest;
	enum tdp_manual_protect manual;
	uint64_t slot_pages;
	uint64_t pages; /* of both */
	uint64_t *bitmap;
};

static struct test begin(void **state, enum tdp_level page, enum tdp_baseline baseline,
			 enum tdp_manual_protect manual)
{
	struct test test = {.manual = manual};

	test.guest = guest_make(state, .page = page, .vcpus = SLOTS, .untraced = true,
				.vm.baseline = baseline, .vm.manual_protect = manual);
	test.slot_pages = page == TDP_1G ? tdp_level_pages(TDP_1G) : 4 * tdp_level_pages(TDP_2M);
	test.pages = SLOTS * test.slot_pages;
	test.bitmap = test_malloc(tdp_dirty_log_words(test.slot_pages) * sizeof(uint64_t));
	return test;
}

static void set_slots(const struct test *test, bool log_dirty)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		struct tdp_memslot slot =
			guest_slot_of(test->guest, i + 1, AT + i * test->slot_pages,
				      test->slot_pages, i * test->slot_pages);

		slot.log_dirty = log_dirty;
		assert_int_equal(tdp_vm_set_memslot(test->guest->vm, &slot), 0);
	}
}

/* Each vCPU its own slot, some pages of every 2M. */
static void touch_all(const struct test *test)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		for (uint64_t page = 0; page < test->slot_pages; page += 171)
			guest_touch_on(test->guest->vcpus[i], AT + i * test->slot_pages + page,
				       TDP_WRITE);
}

static void get_log(const struct test *test, unsigned int slot)
{
	size_t words = tdp_dirty_log_words(test->slot_pages);

	assert_int_equal(tdp_vm_get_dirty_log(test->guest->vm, 0, slot + 1, test->bitmap, words),
			 0);
	/* The log has the pages that this vCPU has just written. */
	for (uint64_t page = 0; page < test->slot_pages; page += 171)
		assert_true(test->bitmap[page / 64] >> page % 64 & 1);
}

static void log_pass(const struct test *test)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		get_log(test, i);
		if (test->manual != TDP_MANUAL_PROTECT_OFF)
			assert_int_equal(tdp_vm_clear_dirty_log(test->guest->vm, 0, i + 1, 0,
								test->slot_pages, test->bitmap),
					 0);
	}
}

static void check_all_split(const struct test *test)
{
	struct tdp_stats stats = guest_stats(test->guest);

	assert_int_equal(stats.pages_1g, 0);
	assert_int_equal(stats.pages_2m, 0);
	assert_true(stats.pages_4k >= (int64_t)test->pages);
}

static void check_same_huge(const struct test *test, const struct tdp_stats *populated)
{
	struct tdp_stats stats = guest_stats(test->guest);

	assert_int_equal(stats.pages_2m, populated->pages_2m);
	assert_int_equal(stats.pages_1g, populated->pages_1g);
}

static void run(void **state, enum tdp_level page, enum tdp_baseline baseline,
		enum tdp_manual_protect manual)
{
	struct test test = begin(state, page, baseline, manual);
	struct tdp_stats populated;

	set_slots(&test, false);
	touch_all(&test);
	populated = guest_stats(test.guest);
	assert_int_equal(populated.pages_2m * 512 + populated.pages_1g * 512 * 512, test.pages);

	set_slots(&test, true);
	if (manual == TDP_MANUAL_PROTECT_ALL_SET)
		check_same_huge(&test, &populated);
	else
		check_all_split(&test);
	touch_all(&test);
	log_pass(&test);
	/* An initially full log is what the first clear splits by. */
	check_all_split(&test);
	touch_all(&test);
	log_pass(&test);
	check_all_split(&test);

	set_slots(&test, false);
	touch_all(&test);
	check_same_huge(&test, &populated);
	assert_int_equal(guest_stats(test.guest).pages_4k, populated.pages_4k);
	test_free(test.bitmap);
}

#define RUNS(name, page, baseline, manual)                                                         \
	static void name(void **state)                                                             \
	{                                                                                          \
		run(state, page, baseline, manual);                                                \
	}

RUNS(logging_2m_memory, TDP_2M, TDP_BASELINE_LATEST, TDP_MANUAL_PROTECT_OFF)
RUNS(logging_2m_memory_in_6_12, TDP_2M, TDP_BASELINE_6_12, TDP_MANUAL_PROTECT_OFF)
RUNS(logging_2m_memory_in_6_1, TDP_2M, TDP_BASELINE_6_1, TDP_MANUAL_PROTECT_OFF)
RUNS(logging_2m_memory_by_hand, TDP_2M, TDP_BASELINE_LATEST, TDP_MANUAL_PROTECT_ON)
RUNS(logging_2m_memory_all_set, TDP_2M, TDP_BASELINE_LATEST, TDP_MANUAL_PROTECT_ALL_SET)
RUNS(logging_2m_memory_all_set_in_6_12, TDP_2M, TDP_BASELINE_6_12, TDP_MANUAL_PROTECT_ALL_SET)
RUNS(logging_2m_memory_all_set_in_6_1, TDP_2M, TDP_BASELINE_6_1, TDP_MANUAL_PROTECT_ALL_SET)
RUNS(logging_1g_memory, TDP_1G, TDP_BASELINE_LATEST, TDP_MANUAL_PROTECT_OFF)
RUNS(logging_1g_memory_all_set, TDP_1G, TDP_BASELINE_LATEST, TDP_MANUAL_PROTECT_ALL_SET)
RUNS(logging_1g_memory_all_set_in_6_1, TDP_1G, TDP_BASELINE_6_1, TDP_MANUAL_PROTECT_ALL_SET)

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(logging_2m_memory),
		guest_test(logging_2m_memory_in_6_12),
		guest_tests(logging_2m_memory_in_6_1),
		guest_test(logging_2m_memory_by_hand),
		guest_tests(logging_2m_memory_all_set),
		guest_test(logging_2m_memory_all_set_in_6_12),
		guest_test(logging_2m_memory_all_set_in_6_1),
		guest_test(logging_1g_memory),
		guest_tests(logging_1g_memory_all_set),
		guest_test(logging_1g_memory_all_set_in_6_1),
	};

	return cmocka_run_group_tests_name("dirty_log_page_splitting", tests, NULL, NULL);
}
