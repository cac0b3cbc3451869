/*
 * Configs of other releases: a program that was built with an older header hands over a
 * shorter struct, one built with a newer header a longer one. The structs below are what
 * such headers would declare.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <tdpsim/tdpsim.h>

#include "platform/sized.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* Older headers: the first fields of each struct. */

struct old_host_config {
	size_t size;
	uint64_t memory_bytes;
};

struct old_vm_config {
	size_t size;
	enum tdp_format format;
	unsigned int levels;
};

struct old_policy {
	size_t size;
	enum tdp_lock_policy lock;
	enum tdp_stats_policy stats;
};

struct old_anon_config {
	size_t size;
	uint64_t bytes;
};

struct old_vcpu_config {
	size_t size;
	unsigned int maxphyaddr;
};

struct old_memslot {
	size_t size;
	unsigned int address_space;
	unsigned int id;
	tdp_gfn_t gfn;
	uint64_t pages;
	const struct tdp_backing *backing;
};

struct old_walk_config {
	size_t size;
	enum tdp_format format;
};

struct old_actor_config {
	size_t size;
	const char *name;
	tdp_actor_body *body;
	void *arg;
};

struct old_run_config {
	size_t size;
};

/* Two pages, of which the second may not be read. */
static char *fence;
static size_t page_bytes;

static int make_fence(void **state)
{
	(void)state;
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	fence = mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	return fence == MAP_FAILED || mprotect(fence + page_bytes, page_bytes, PROT_NONE);
}

static int remove_fence(void **state)
{
	(void)state;
	return munmap(fence, 2 * page_bytes);
}

/* A copy at the end of a page: reading beyond it stops the program. */
static void *at_the_fence(const void *given, size_t bytes)
{
	return memcpy(fence + page_bytes - bytes, given, bytes);
}

/* One call, with a config in its last argument. 0 or a negative errno. */
struct world {
	struct tdp_host *host;
	struct tdp_anon *anon;
	struct tdp_vm *vm;
};

static int take_host(struct world *world, const void *config)
{
	struct tdp_host *host;
	int err = tdp_host_create(config, &host);

	(void)world;
	if (!err)
		tdp_host_destroy(host);
	return err;
}

static int take_vm(struct world *world, const void *config)
{
	struct tdp_vm *vm;
	int err = tdp_vm_create(world->host, config, &vm);

	if (!err)
		tdp_vm_destroy(vm);
	return err;
}

static int take_policy(struct world *world, const void *config)
{
	return take_vm(world, &(struct tdp_vm_config){.policy = config});
}

static int take_anon(struct world *world, const void *config)
{
	struct tdp_anon *anon;
	int err = tdp_anon_create(world->host, config, &anon);

	if (!err)
		tdp_anon_destroy(anon);
	return err;
}

static int take_vcpu(struct world *world, const void *config)
{
	struct tdp_vcpu *vcpu;

	return tdp_vcpu_create(world->vm, config, &vcpu);
}

static int take_memslot(struct world *world, const void *config)
{
	struct tdp_memslot gone = {.id = 1};
	int err = tdp_vm_set_memslot(world->vm, config);

	if (!err)
		assert_int_equal(tdp_vm_set_memslot(world->vm, &gone), 0);
	return err;
}

static int take_walk(struct world *world, const void *config)
{
	struct tdp_walk_request request = {.access = TDP_READ};
	struct tdp_walk_result result;

	return tdp_walk_gpa(world->host, config, tdp_pfn(0), &request, &result);
}

static int do_nothing(struct tdp_actor *self, void *arg)
{
	(void)self;
	++*(unsigned int *)arg;
	return 0;
}

static int take_actor(struct world *world, const void *config)
{
	(void)world;
	return tdp_run(NULL, config, 1, NULL);
}

static int take_run(struct world *world, const void *config)
{
	(void)world;
	return tdp_run(config, NULL, 0, NULL);
}

static void begin(struct world *world)
{
	assert_int_equal(
		tdp_host_create(&(struct tdp_host_config){.memory_bytes = GIB}, &world->host), 0);
	assert_int_equal(
		tdp_anon_create(world->host, &(struct tdp_anon_config){.bytes = MIB}, &world->anon),
		0);
	assert_int_equal(tdp_vm_create(world->host, NULL, &world->vm), 0);
}

static void end(struct world *world)
{
	tdp_vm_destroy(world->vm);
	tdp_anon_destroy(world->anon);
	tdp_host_destroy(world->host);
}

static unsigned int runs;

/* Each struct with its required fields set; `size` is filled in by the tests. */
struct kind {
	const char *name;
	int (*take)(struct world *world, const void *config);
	const void *full, *old;
	size_t full_bytes, old_bytes;
};

#define KINDS 9

static void kinds_of(const struct world *world, struct kind kinds[KINDS])
{
	static const struct tdp_host_config host = {.memory_bytes = GIB};
	static const struct old_host_config old_host = {.memory_bytes = GIB};
	static const struct tdp_vm_config vm = {.format = TDP_EPT, .levels = 5};
	static const struct old_vm_config old_vm = {.format = TDP_EPT, .levels = 5};
	static const struct tdp_policy policy = {.lock = TDP_LOCK_PERCPU};
	static const struct old_policy old_policy = {.lock = TDP_LOCK_PERCPU};
	static const struct tdp_anon_config anon = {.bytes = MIB};
	static const struct old_anon_config old_anon = {.bytes = MIB};
	static const struct tdp_vcpu_config vcpu = {.maxphyaddr = 40};
	static const struct old_vcpu_config old_vcpu = {.maxphyaddr = 40};
	static const struct tdp_walk_config walk = {.format = TDP_EPT};
	static const struct old_walk_config old_walk = {.format = TDP_EPT};
	static const struct tdp_actor_config actor = {.body = do_nothing, .arg = &runs};
	static const struct old_actor_config old_actor = {.body = do_nothing, .arg = &runs};
	static const struct tdp_run_config run;
	static const struct old_run_config old_run;
	static struct tdp_memslot slot = {.id = 1, .pages = 16};
	static struct old_memslot old_slot = {.id = 1, .pages = 16};
	const struct kind all[KINDS] = {
		{"host", take_host, &host, &old_host, sizeof(host), sizeof(old_host)},
		{"vm", take_vm, &vm, &old_vm, sizeof(vm), sizeof(old_vm)},
		{"policy", take_policy, &policy, &old_policy, sizeof(policy), sizeof(old_policy)},
		{"anon", take_anon, &anon, &old_anon, sizeof(anon), sizeof(old_anon)},
		{"vcpu", take_vcpu, &vcpu, &old_vcpu, sizeof(vcpu), sizeof(old_vcpu)},
		{"memslot", take_memslot, &slot, &old_slot, sizeof(slot), sizeof(old_slot)},
		{"walk", take_walk, &walk, &old_walk, sizeof(walk), sizeof(old_walk)},
		{"actor", take_actor, &actor, &old_actor, sizeof(actor), sizeof(old_actor)},
		{"run", take_run, &run, &old_run, sizeof(run), sizeof(old_run)},
	};

	slot.backing = old_slot.backing = tdp_anon_backing(world->anon);
	memcpy(kinds, all, sizeof(all));
}

static void check(struct world *world, const struct kind *kind, const void *given, size_t bytes,
		  size_t size, int expected)
{
	char *copy = at_the_fence(given, bytes);
	int err;

	memcpy(copy, &size, sizeof(size));
	err = kind->take(world, copy);
	if (err != expected)
		fail_msg("%s of %zu bytes, size %zu: %d, not %d", kind->name, bytes, size, err,
			 expected);
}

static void each_kind(void (*body)(struct world *world, const struct kind *kind))
{
	struct kind kinds[KINDS];
	struct world world;

	begin(&world);
	kinds_of(&world, kinds);
	for (unsigned int i = 0; i < KINDS; i++)
		body(&world, &kinds[i]);
	end(&world);
}

static void take_old(struct world *world, const struct kind *kind)
{
	check(world, kind, kind->old, kind->old_bytes, kind->old_bytes, 0);
}

static void a_struct_of_an_older_header_is_taken_and_nothing_beyond_it_is_read(void **state)
{
	(void)state;
	each_kind(take_old);
}

static void take_own(struct world *world, const struct kind *kind)
{
	check(world, kind, kind->full, kind->full_bytes, kind->full_bytes, 0);
	check(world, kind, kind->full, kind->full_bytes, 0, 0);
}

static void size_0_stands_for_the_struct_of_the_first_release(void **state)
{
	(void)state;
	each_kind(take_own);
}

static void take_newer(struct world *world, const struct kind *kind)
{
	char newer[1024] = {0};

	memcpy(newer, kind->full, kind->full_bytes);
	check(world, kind, newer, kind->full_bytes + 8, kind->full_bytes + 8, 0);
	check(world, kind, newer, sizeof(newer), sizeof(newer), 0);
	for (size_t at = kind->full_bytes; at < sizeof(newer); at += 97) {
		newer[at] = 1;
		check(world, kind, newer, sizeof(newer), sizeof(newer), -EINVAL);
		newer[at] = 0;
	}
}

static void a_struct_of_a_newer_header_is_taken_if_its_new_fields_are_0(void **state)
{
	(void)state;
	each_kind(take_newer);
}

static void take_absurd(struct world *world, const struct kind *kind)
{
	check(world, kind, kind->full, kind->full_bytes, 1, -EINVAL);
	check(world, kind, kind->full, kind->full_bytes, sizeof(size_t) - 1, -EINVAL);
	check(world, kind, kind->full, kind->full_bytes, SIZED_MOST + 1, -EINVAL);
	check(world, kind, kind->full, kind->full_bytes, SIZE_MAX, -EINVAL);
}

static void a_size_that_no_struct_has_is_refused(void **state)
{
	(void)state;
	each_kind(take_absurd);
}

static void missing_fields_are_0_and_the_others_as_given(void **state)
{
	struct old_policy policy = {.size = sizeof(policy), .lock = TDP_LOCK_PERCPU};
	struct tdp_vm_config config = {.baseline = TDP_BASELINE_6_1};
	const struct tdp_policy *used;
	struct world world;
	struct tdp_vm *vm;

	(void)state;
	begin(&world);
	config.policy = at_the_fence(&policy, sizeof(policy));
	assert_int_equal(tdp_vm_create(world.host, &config, &vm), 0);
	used = tdp_vm_policy(vm);
	assert_int_equal(used->size, sizeof(*used));
	assert_int_equal(used->lock, TDP_LOCK_PERCPU);
	assert_int_equal(used->stats, TDP_STATS_SHARED);
	assert_int_equal(used->huge_fault, TDP_HUGE_FAULT_ZAP);
	tdp_vm_destroy(vm);
	end(&world);
}

static void actors_of_another_size_lie_side_by_side_as_their_header_has_them(void **state)
{
	unsigned int counts[3] = {0};
	struct old_actor_config old[3];
	struct {
		struct tdp_actor_config config;
		uint64_t more;
	} newer[3];

	(void)state;
	memset(newer, 0, sizeof(newer));
	for (unsigned int i = 0; i < 3; i++) {
		old[i] = (struct old_actor_config){
			.size = sizeof(old[i]), .body = do_nothing, .arg = &counts[i]};
		newer[i].config = (struct tdp_actor_config){
			.size = sizeof(newer[i]), .body = do_nothing, .arg = &counts[i]};
	}
	assert_int_equal(tdp_run(NULL, at_the_fence(old, sizeof(old)), 3, NULL), 0);
	newer[2].more = 1;
	assert_int_equal(tdp_run(NULL, (const void *)newer, 3, NULL), -EINVAL);
	newer[2].more = 0;
	assert_int_equal(tdp_run(NULL, (const void *)newer, 3, NULL), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(counts[i], 2);
}

static void a_run_with_a_machine_or_a_schedule_is_not_to_be_had_yet(void **state)
{
	struct tdp_actor_config actor = {.body = do_nothing, .arg = &runs};
	struct tdp_run_config machine = {.size = sizeof(machine),
					 .machine = (const struct tdp_machine *)&actor};
	struct tdp_run_config schedule = {.size = sizeof(schedule), .schedule = "random"};

	(void)state;
	runs = 0;
	assert_int_equal(tdp_run(&machine, &actor, 1, NULL), -EOPNOTSUPP);
	assert_int_equal(tdp_run(&schedule, &actor, 1, NULL), -EOPNOTSUPP);
	assert_int_equal(runs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_struct_of_an_older_header_is_taken_and_nothing_beyond_it_is_read),
		cmocka_unit_test(size_0_stands_for_the_struct_of_the_first_release),
		cmocka_unit_test(a_struct_of_a_newer_header_is_taken_if_its_new_fields_are_0),
		cmocka_unit_test(a_size_that_no_struct_has_is_refused),
		cmocka_unit_test(missing_fields_are_0_and_the_others_as_given),
		cmocka_unit_test(actors_of_another_size_lie_side_by_side_as_their_header_has_them),
		cmocka_unit_test(a_run_with_a_machine_or_a_schedule_is_not_to_be_had_yet),
	};

	return cmocka_run_group_tests_name("sizes", tests, make_fence, remove_fence);
}
