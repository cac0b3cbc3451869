/*
 * The events of a fault: how many shared accesses, waits and charges the first touch of a page
 * takes, by kind. A bound that is exceeded means an additional shared word on the hottest path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tdpsim/tdpsim.h>

#include "platform/virtual/engine.h"
#include "platform/virtual/schedule.h"

#define GIB   ((uint64_t)1 << 30)
#define PAGES 512
#define BASE  (4 * GIB)

/* A schedule of one actor, which counts. */
struct counts {
	struct schedule schedule;
	uint64_t events[ENGINE_KINDS];
	uint64_t all;
};

static size_t count_event(struct schedule *schedule, const size_t *ready, size_t count,
			  size_t acting)
{
	struct counts *counts = (struct counts *)schedule;

	(void)count;
	(void)acting;
	counts->events[schedule->kind]++;
	counts->all++;
	return ready[0];
}

struct stage {
	struct tdp_host *host;
	struct tdp_anon *memory;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpu;
	uint64_t page;
	struct counts *counts;
};

static int touch(struct stage *stage, uint64_t i)
{
	struct tdp_access_request request = {.address = BASE + i * stage->page,
					     .access = TDP_WRITE};
	struct tdp_access_result result;
	int err = tdp_vcpu_access(stage->vcpu, &request, &result);

	return err ? err : result.outcome != TDP_ACCESS_DONE;
}

/* The first page brings its tables; those after it are the rule. */
static int touch_pages(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	int err = tdp_vcpu_load_root(stage->vcpu);

	(void)self;
	for (uint64_t i = 0; i < PAGES && !err; i++) {
		if (i == 1)
			for (unsigned int kind = 0; kind < ENGINE_KINDS; kind++)
				stage->counts->events[kind] = stage->counts->all = 0;
		err = touch(stage, i);
	}
	return err;
}

static void make_stage(struct stage *stage, enum tdp_level level, const struct tdp_policy *policy)
{
	struct tdp_host_config host = {.memory_bytes =
					       4 * GIB + (level == TDP_1G ? PAGES * GIB : 0)};
	struct tdp_anon_config memory = {.bytes = PAGES * tdp_level_bytes(level), .page = level};
	struct tdp_vm_config vm = {.policy = policy};
	struct tdp_memslot slot = {
		.id = 1, .gfn = tdp_gfn(BASE >> TDP_PAGE_SHIFT), .pages = memory.bytes >> 12};

	stage->page = tdp_level_bytes(level);
	assert_int_equal(tdp_host_create(&host, &stage->host), 0);
	assert_int_equal(tdp_anon_create(stage->host, &memory, &stage->memory), 0);
	assert_int_equal(tdp_vm_create(stage->host, &vm, &stage->vm), 0);
	slot.backing = tdp_anon_backing(stage->memory);
	slot.hva = slot.backing->hva;
	assert_int_equal(tdp_vm_set_memslot(stage->vm, &slot), 0);
	assert_int_equal(tdp_vcpu_create(stage->vm, NULL, &stage->vcpu), 0);
}

static void end_stage(struct stage *stage)
{
	tdp_vm_destroy(stage->vm);
	tdp_anon_destroy(stage->memory);
	tdp_host_destroy(stage->host);
}

static void print_counts(const char *what, const struct counts *counts)
{
	static const char *const names[] = {
		[ENGINE_READ] = "reads", [ENGINE_WRITE] = "writes",   [ENGINE_UPDATE] = "updates",
		[ENGINE_LINES] = "bulk", [ENGINE_CHARGE] = "charges", [ENGINE_WAIT] = "waits",
		[ENGINE_WAKE] = "wakes", [ENGINE_PAUSE] = "pauses",
	};

	print_message("%s: %.1f events a fault:", what, (double)counts->all / (PAGES - 1));
	for (unsigned int kind = 0; kind < ENGINE_KINDS; kind++)
		print_message(" %s %.1f", names[kind], (double)counts->events[kind] / (PAGES - 1));
	print_message("\n");
}

static void count_faults(enum tdp_level level, const struct tdp_policy *policy, const char *what,
			 struct counts *counts)
{
	struct stage stage = {.counts = counts};
	struct tdp_actor_config actor = {.body = touch_pages, .arg = &stage};

	make_stage(&stage, level, policy);
	*counts = (struct counts){.schedule = {.choose = count_event}};
	schedule_use(&counts->schedule);
	assert_int_equal(tdp_run(NULL, &actor, 1, NULL), 0);
	schedule_use(NULL);
	print_counts(what, counts);
	end_stage(&stage);
}

static void expect_at_most(const struct counts *counts, unsigned int events)
{
	assert_in_range(counts->all, 1, events * (PAGES - 1));
	assert_int_equal(counts->events[ENGINE_WAIT], 0);
	assert_int_equal(counts->events[ENGINE_PAUSE], 0);
	assert_int_equal(counts->events[ENGINE_WAKE], 0);
}

/* docs/performance.md has the counts; the bounds leave little room above them. */
static void a_fault_takes_few_events_and_no_wait(void **state)
{
	const struct tdp_policy as_upstream = {0};
	struct counts counts;

	(void)state;
	count_faults(TDP_4K, &as_upstream, "4K", &counts);
	expect_at_most(&counts, 58);
	count_faults(TDP_2M, &as_upstream, "2M", &counts);
	expect_at_most(&counts, 66);
	count_faults(TDP_1G, &as_upstream, "1G", &counts);
	expect_at_most(&counts, 64);
}

static void so_does_one_where_vcpus_share_nothing(void **state)
{
	const struct tdp_policy percpu = {.lock = TDP_LOCK_PERCPU, .stats = TDP_STATS_PERCPU};
	struct counts counts;

	(void)state;
	count_faults(TDP_4K, &percpu, "4K, percpu", &counts);
	expect_at_most(&counts, 62);
	count_faults(TDP_2M, &percpu, "2M, percpu", &counts);
	expect_at_most(&counts, 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_takes_few_events_and_no_wait),
		cmocka_unit_test(so_does_one_where_vcpus_share_nothing),
	};

	return cmocka_run_group_tests_name("platform/virtual/events", tests, NULL, NULL);
}
