/*
 * Out of memory at every allocation in turn. Each run is a story: the nth
 * allocation fails, for n = 1, 2, ... until the whole story succeeds. At every
 * failure the error is a clean one, the checker is content, nothing that the guest
 * had is lost, the same step succeeds when it is tried again, and in the end the
 * host has everything back.
 */
#include "support/guest.h"

#include "vm/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AT	 0x40000ULL
#define RUNS_MAX 4000

struct story {
	struct guest *guest; /* for its host alone */
	struct tdp_host *host;
	struct tdp_vm_config vm_config;
	struct tdp_policy policy;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpu;
	struct tdp_anon *anon;
	uint64_t allocations, fails_at; /* counted; 0: never */
	bool failed;			/* the one failure has been */
	unsigned int level;		/* of the memory that falls apart */
};

typedef void step_body(struct story *story);

static bool refuse_nth(void *context, enum tdp_allocation allocation)
{
	struct story *story = context;

	(void)allocation;
	if (++story->allocations != story->fails_at)
		return false;
	story->failed = true;
	return true;
}

static void print_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	const struct story *story = context;

	print_error("allocation %llu: %s: %s\n", (unsigned long long)story->fails_at,
		    tdp_invariant_name(invariant), sentence);
}

/* A step either succeeds, or fails for the one injected failure and then succeeds. */
static bool again(struct story *story, int err)
{
	if (!err)
		return false;
	if (err != -ENOMEM || !story->failed || !story->fails_at)
		fail_msg("allocation %llu: error %d", (unsigned long long)story->fails_at, err);
	story->fails_at = 0;
	if (story->vm)
		assert_int_equal(tdp_vm_check(story->vm, print_violation, story), 0);
	return true;
}

#define STEP(story, call)                                                                          \
	do {                                                                                       \
		if (again(story, call))                                                            \
			assert_int_equal(call, 0);                                                 \
	} while (0)

static struct tdp_host_memory usage(const struct story *story)
{
	struct tdp_host_memory now;

	tdp_host_usage(story->host, &now);
	return now;
}

static void make_vm(struct story *story)
{
	struct tdp_host_memory before = usage(story);
	int err = tdp_vm_create(story->host, &story->vm_config, &story->vm);

	if (again(story, err)) {
		assert_null(story->vm);
		assert_int_equal(usage(story).metadata_bytes, before.metadata_bytes);
		assert_int_equal(tdp_vm_create(story->host, &story->vm_config, &story->vm), 0);
	}
	STEP(story, tdp_vcpu_create(story->vm, NULL, &story->vcpu));
}

static void make_anon(struct story *story, enum tdp_level page)
{
	struct tdp_anon_config config = {.bytes = page == TDP_1G ? 1ULL << 30 : 16ULL << 20,
					 .page = page};

	STEP(story, tdp_anon_create(story->host, &config, &story->anon));
}

static int touch(struct story *story, uint64_t gfn, enum tdp_access access)
{
	struct tdp_access_request request = {.address = gfn << 12, .access = access};
	struct tdp_access_result result;
	int err = tdp_vcpu_access(story->vcpu, &request, &result);

	if (!err)
		assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	return err;
}

static int set_slot(struct story *story, unsigned int id, uint64_t gfn, uint64_t pages)
{
	struct tdp_memslot slot = {.id = id,
				   .gfn = tdp_gfn(gfn),
				   .pages = pages,
				   .backing = tdp_anon_backing(story->anon)};
	uint64_t generation = tdp_vm_memslot_generation(story->vm);
	int err = tdp_vm_set_memslot(story->vm, &slot);

	if (err)
		assert_int_equal(tdp_vm_memslot_generation(story->vm), generation);
	return err;
}

/* The stories */

static void faults_by(struct story *story, enum tdp_level page, uint64_t apart)
{
	make_anon(story, page);
	make_vm(story);
	STEP(story, set_slot(story, 1, AT, page == TDP_1G ? 1 << 18 : 4096));
	for (unsigned int i = 0; i < 4; i++)
		STEP(story, touch(story, AT + i * apart, i & 1 ? TDP_READ : TDP_WRITE));
	assert_int_equal(tdp_mmu_mapped_level(story->vm, 0, tdp_gfn(AT)), page);
}

static void faults_4k(struct story *story)
{
	faults_by(story, TDP_4K, 600);
}

static void faults_2m(struct story *story)
{
	faults_by(story, TDP_2M, 600);
}

static void faults_1g(struct story *story)
{
	faults_by(story, TDP_1G, 1000);
}

static void unmaps(struct story *story)
{
	faults_by(story, TDP_4K, 1);
	/* None of these can fail: giving memory back must not need any. */
	assert_int_equal(tdp_anon_discard(story->anon, 0, 1 << 20), 0);
	assert_int_equal(tdp_mmu_mapped_level(story->vm, 0, tdp_gfn(AT)), TDP_NOT_MAPPED);
	STEP(story, touch(story, AT, TDP_WRITE));
	tdp_mmu_zap_range(story->vm, tdp_gfn(AT), 16);
	STEP(story, touch(story, AT, TDP_WRITE));
	tdp_mmu_zap_all_fast(story->vm);
	STEP(story, touch(story, AT, TDP_WRITE));
}

static void slots_change(struct story *story)
{
	faults_by(story, TDP_4K, 1);
	STEP(story, set_slot(story, 2, 2 * AT, 1024));
	STEP(story, touch(story, 2 * AT, TDP_WRITE));
	STEP(story, set_slot(story, 2, 3 * AT, 1024));
	STEP(story, touch(story, 3 * AT, TDP_READ));
	STEP(story, set_slot(story, 1, 0, 0));
	STEP(story, touch(story, 3 * AT, TDP_READ));
}

static void modes_change(struct story *story)
{
	faults_by(story, TDP_4K, 1);
	assert_int_equal(tdp_vcpu_set_smm(story->vcpu, true), 0);
	STEP(story, tdp_vcpu_load_root(story->vcpu));
	assert_int_equal(tdp_vcpu_set_smm(story->vcpu, false), 0);
	STEP(story, touch(story, AT, TDP_WRITE));
}

static void holes_are_met(struct story *story)
{
	struct tdp_access_request request = {.address = 0x70000000};
	struct tdp_access_result result;

	faults_by(story, TDP_4K, 1);
	STEP(story, tdp_vcpu_access(story->vcpu, &request, &result));
	assert_int_equal(result.outcome, TDP_ACCESS_MMIO);
}

/* The iterator holds a task as long as it is open; other callers still get one. */
static void iterates(struct story *story)
{
	struct tdp_iter *first, *second;
	struct tdp_entry entry;

	faults_by(story, TDP_4K, 1);
	STEP(story, tdp_iter_begin(story->vm, 0, tdp_gfn(AT), 16, 1, &first));
	STEP(story, tdp_iter_begin(story->vm, 0, tdp_gfn(AT), 16, 1, &second));
	assert_true(tdp_iter_next(first, &entry) && tdp_iter_next(second, &entry));
	tdp_mmu_zap_range(story->vm, tdp_gfn(AT), 1);
	assert_int_equal(tdp_anon_discard(story->anon, 0, 1 << 20), 0);
	tdp_iter_end(first);
	tdp_iter_end(second);
}

/* On EPT without A/D flags, where the checker keeps a count of it. Asking never fails. */
static void ages(struct story *story)
{
	uint64_t hva;

	story->vm_config.no_ad = story->vm_config.format == TDP_EPT;
	faults_by(story, TDP_4K, 1);
	hva = tdp_anon_backing(story->anon)->hva;
	assert_true(tdp_host_test_age(story->host, hva));
	assert_true(tdp_host_age(story->host, hva, hva + (16ULL << 20)));
	assert_false(tdp_host_test_age(story->host, hva));
	tdp_vcpu_flush_tlb(story->vcpu);
	STEP(story, touch(story, AT, TDP_READ));
	assert_true(tdp_host_test_age(story->host, hva));
}

static void traces(struct story *story)
{
	story->vm_config.trace_ring = 64;
	faults_4k(story);
}

/* A split: the host's pages fall apart into 4K without notice, as in test_split.c. */
static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	const struct story *story = context;

	(void)caller;
	(void)write;
	*page = (struct tdp_backing_page){
		.pfn = tdp_pfn(tdp_host_carveout(story->host).n + (hva >> 12)), .writable = true};
	return 0;
}

static unsigned int level_of(void *context, uint64_t hva)
{
	const struct story *story = context;

	(void)hva;
	return story->level;
}

static const struct tdp_backing_ops falling_apart = {.resolve = resolve, .level = level_of};

static int refault(struct story *story, uint64_t gfn)
{
	struct tdp_fault fault = {.gpa = gfn << 12, .error_code = 0x100000006};
	enum tdp_fault_result result;

	return tdp_vcpu_fault(story->vcpu, &fault, &result);
}

static void splits(struct story *story)
{
	struct tdp_backing backing = {.ops = &falling_apart, .context = story, .bytes = 1ULL << 30};
	struct tdp_memslot slot = {
		.id = 1, .gfn = tdp_gfn(AT), .pages = 1 << 18, .backing = &backing};

	make_vm(story);
	STEP(story, tdp_vm_set_memslot(story->vm, &slot));
	story->level = TDP_1G;
	STEP(story, touch(story, AT, TDP_WRITE));
	story->level = TDP_4K;
	if (refault(story, AT + 600) == -ENOMEM) {
		/* Still whole. */
		assert_int_equal(tdp_mmu_mapped_level(story->vm, 0, tdp_gfn(AT)), TDP_1G);
		story->level = TDP_1G;
		again(story, -ENOMEM);
		story->level = TDP_4K;
		assert_int_equal(refault(story, AT + 600), 0);
	}
	assert_int_equal(tdp_mmu_mapped_level(story->vm, 0, tdp_gfn(AT)), TDP_2M);
	assert_int_equal(tdp_mmu_mapped_level(story->vm, 0, tdp_gfn(AT + 600)), TDP_4K);
	story->level = TDP_1G;
	assert_int_equal(tdp_vm_check(story->vm, print_violation, story), 0);
	tdp_vm_destroy(story->vm);
	story->vm = NULL;
}

/* Logging: leaves that cannot be split stay huge, and no call fails for it. */

static int log_slot(struct story *story, const struct tdp_backing *backing, bool on)
{
	struct tdp_memslot slot = {
		.id = 1, .gfn = tdp_gfn(AT), .pages = 4096, .backing = backing, .log_dirty = on};
	uint64_t generation = tdp_vm_memslot_generation(story->vm);
	int err = tdp_vm_set_memslot(story->vm, &slot);

	if (err)
		assert_int_equal(tdp_vm_memslot_generation(story->vm), generation);
	return err;
}

static void logs(struct story *story)
{
	struct tdp_backing backing = {.ops = &falling_apart, .context = story, .bytes = 1ULL << 30};
	struct tdp_stats stats;

	make_vm(story);
	story->level = TDP_2M;
	STEP(story, log_slot(story, &backing, false));
	for (unsigned int i = 0; i < 4096; i += 512)
		STEP(story, touch(story, AT + i, TDP_WRITE));
	STEP(story, log_slot(story, &backing, true));
	tdp_vm_stats(story->vm, &stats);
	assert_int_equal(stats.pages_4k + 512 * stats.pages_2m, 4096);
	for (unsigned int i = 0; i < 4096; i += 300)
		STEP(story, touch(story, AT + i, TDP_WRITE));
	STEP(story, log_slot(story, &backing, false));
	assert_int_equal(tdp_mmu_mapped_level(story->vm, 0, tdp_gfn(AT)), TDP_2M);
	assert_int_equal(tdp_vm_check(story->vm, print_violation, story), 0);
	tdp_vm_destroy(story->vm);
	story->vm = NULL;
}

/* Clearing a log that began with every page marked: likewise. */
static void clears(struct story *story)
{
	const uint64_t bits[] = {~0ULL, 0, 0, 0, 0, 0, 0, 0, 1, 1};
	uint64_t bitmap[4096 / 64];

	story->vm_config.manual_protect = TDP_MANUAL_PROTECT_ALL_SET;
	make_anon(story, TDP_2M);
	make_vm(story);
	STEP(story, set_slot(story, 1, AT, 4096));
	for (unsigned int i = 0; i < 4096; i += 512)
		STEP(story, touch(story, AT + i, TDP_WRITE));
	STEP(story, log_slot(story, tdp_anon_backing(story->anon), true));
	/* It never fails. */
	assert_int_equal(tdp_vm_clear_dirty_log(story->vm, 0, 1, 0, 640, bits), 0);
	for (unsigned int i = 0; i < 1024; i += 90)
		STEP(story, touch(story, AT + i, TDP_WRITE));
	assert_int_equal(tdp_vm_get_dirty_log(story->vm, 0, 1, bitmap, 4096 / 64), 0);
	assert_int_equal(bitmap[0], 1);
	assert_int_equal(bitmap[1], ~0ULL);
}

/* Fetches split, rounds of recovery and the switch give back; none of the latter can fail. */
static void executes(struct story *story)
{
	struct tdp_stats stats;

	story->policy.nx_huge_pages = TDP_ON;
	story->vm_config.nx_recovery_ratio = 1;
	make_anon(story, TDP_1G);
	make_vm(story);
	STEP(story, set_slot(story, 1, AT, 1 << 18));
	for (unsigned int i = 0; i < 3; i++) {
		STEP(story, touch(story, AT + i * 512, TDP_READ));
		STEP(story, touch(story, AT + i * 512, TDP_FETCH));
	}
	tdp_vm_stats(story->vm, &stats);
	assert_int_equal(stats.nx_lpage_splits, 4);
	assert_int_equal(tdp_vm_recover_nx_huge_pages(story->vm), 1);
	STEP(story, touch(story, AT + 512, TDP_FETCH));
	tdp_vm_set_nx_huge_pages(story->vm, false);
	STEP(story, touch(story, AT + 512, TDP_FETCH));
	assert_int_equal(tdp_mmu_mapped_level(story->vm, 0, tdp_gfn(AT)), TDP_1G);
}

/* The frame around a story */

static void end(struct story *story, const struct tdp_host_memory *before)
{
	struct tdp_host_memory after;

	if (story->vm)
		assert_int_equal(tdp_vm_check(story->vm, print_violation, story), 0);
	tdp_vm_destroy(story->vm);
	tdp_anon_destroy(story->anon);
	story->vm = NULL;
	story->anon = NULL;
	after = usage(story);
	assert_int_equal(after.table_frames, before->table_frames);
	assert_int_equal(after.data_frames, before->data_frames);
	if (after.metadata_bytes != before->metadata_bytes)
		fail_msg("allocation %llu: %lld bytes are left over",
			 (unsigned long long)story->allocations,
			 (long long)(after.metadata_bytes - before->metadata_bytes));
}

/* Runs the story with the nth allocation failing; false once none failed. */
static bool tell(struct story *story, step_body *body, uint64_t nth)
{
	struct tdp_host_memory before;
	bool failed;

	story->fails_at = 0;
	before = usage(story);
	story->allocations = 0;
	story->fails_at = nth;
	story->failed = false;
	body(story);
	failed = story->failed;
	story->fails_at = 0;
	end(story, &before);
	return failed;
}

static void tell_until_it_succeeds(void **state, step_body *body)
{
	struct story story = {.vm_config.check = true, .vm_config.policy = &story.policy};
	uint64_t nth = 1;

	story.guest = guest_make_host(state, .untraced = true, .host.fail = refuse_nth,
				      .host.fail_context = &story);
	story.host = story.guest->host;
	story.vm_config.format = story.guest->config.vm.format;
	while (tell(&story, body, nth))
		assert_true(++nth < RUNS_MAX);
	/* It is no test of anything if nothing was ever allocated. */
	assert_true(nth > 5);
	tdp_anon_destroy(story.guest->anon);
	story.guest->anon = NULL;
	tdp_host_destroy(story.host);
	story.guest->host = NULL;
}

#define TELLS(name, body)                                                                          \
	static void name(void **state)                                                             \
	{                                                                                          \
		tell_until_it_succeeds(state, body);                                               \
	}

TELLS(a_4k_fault_survives_each_failure, faults_4k)
TELLS(a_2m_fault_survives_each_failure, faults_2m)
TELLS(a_1g_fault_survives_each_failure, faults_1g)
TELLS(a_split_survives_each_failure, splits)
TELLS(executing_survives_each_failure, executes)
TELLS(logging_survives_each_failure, logs)
TELLS(clearing_survives_each_failure, clears)
TELLS(unmapping_never_fails, unmaps)
TELLS(changing_slots_survives_each_failure, slots_change)
TELLS(changing_modes_survives_each_failure, modes_change)
TELLS(meeting_a_hole_survives_each_failure, holes_are_met)
TELLS(iterating_survives_each_failure, iterates)
TELLS(ageing_survives_each_failure, ages)
TELLS(trace_rings_survive_each_failure, traces)

/* And for good: from some moment on there is nothing at all. */

static bool refuse_all(void *context, enum tdp_allocation allocation)
{
	(void)allocation;
	return *(bool *)context;
}

static void with_nothing_left_what_is_mapped_stays_and_can_be_given_back(void **state)
{
	bool nothing_left = false;
	struct guest *guest =
		guest_make(state, .host.fail = refuse_all, .host.fail_context = &nothing_left);
	struct tdp_access_request request = {.address = (AT + 512) << 12};
	struct tdp_access_result result;

	guest_slot(guest, 1, AT, 4096, 0);
	guest_touch(guest, AT, TDP_WRITE);
	nothing_left = true;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(tdp_vcpu_access(guest->vcpu, &request, &result), -ENOMEM);
	assert_int_equal(guest_touch(guest, AT, TDP_WRITE), 0);
	guest_discard(guest, 0, 4096);
	tdp_mmu_zap_range(guest->vm, tdp_gfn(0), 1ULL << 36);
	tdp_mmu_zap_all_fast(guest->vm);
	assert_int_equal(guest_violations(guest), 0);
	guest_end_vm(guest);
	nothing_left = false;
}

/* The last task passes from one caller to the next. */

struct last_task {
	struct guest *guest;
	struct mmu_actor *task;
	struct tdp_flag *zapped;
};

static int zap_a_range(struct tdp_actor *self, void *arg)
{
	struct last_task *last = arg;

	(void)self;
	tdp_mmu_zap_range(last->guest->vm, tdp_gfn(AT), 1);
	tdp_flag_raise(last->zapped);
	return 0;
}

static int put_the_task(struct tdp_actor *self, void *arg)
{
	struct last_task *last = arg;
	unsigned int rounds = 0;
	int verdict;

	(void)self;
	for (unsigned int i = 0; i < 200; i++)
		tdp_pause(&rounds);
	verdict = tdp_flag_raised(last->zapped) ? -1 : 0;
	mmu_task_put(last->task);
	return verdict;
}

static void who_finds_no_task_waits_for_the_one_kept_back(void **state)
{
	bool nothing_left = false;
	struct guest *guest = guest_make(state, .untraced = true, .host.fail = refuse_all,
					 .host.fail_context = &nothing_left);
	struct last_task last = {.guest = guest};
	struct tdp_actor_config actors[] = {
		{.body = zap_a_range, .arg = &last},
		{.body = put_the_task, .arg = &last},
	};

	guest_slot(guest, 1, AT, 16, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(tdp_flag_create(&last.zapped), 0);
	nothing_left = true;
	last.task = mmu_task_get(&guest->vm->mmu);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	nothing_left = false;
	tdp_flag_destroy(last.zapped);
	assert_int_equal(guest_stats(guest).pages_4k, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_4k_fault_survives_each_failure),
		guest_tests(a_2m_fault_survives_each_failure),
		guest_test(a_1g_fault_survives_each_failure),
		guest_test(a_split_survives_each_failure),
		guest_test(executing_survives_each_failure),
		guest_test(logging_survives_each_failure),
		guest_test(clearing_survives_each_failure),
		guest_tests(unmapping_never_fails),
		guest_test(changing_slots_survives_each_failure),
		guest_test(changing_modes_survives_each_failure),
		guest_test(meeting_a_hole_survives_each_failure),
		guest_test(iterating_survives_each_failure),
		guest_tests(ageing_survives_each_failure),
		guest_test(trace_rings_survive_each_failure),
		guest_test(who_finds_no_task_waits_for_the_one_kept_back),
		guest_test(with_nothing_left_what_is_mapped_stays_and_can_be_given_back),
	};

	return cmocka_run_group_tests_name("oom", tests, NULL, NULL);
}
