/*
 * Rule S1 of guest/source.h: a fault that meets a page source whose lock is held across a grace
 * period waits for it outside of its RCU section, then begins again with the lookup of the slot.
 * The holder here does what a conversion of a file does: it invalidates, waits for a grace
 * period, and lets go. A wait inside the section would never end.
 */
#include "support/guest.h"

#include <errno.h>

#include <tdpsim/check.h>
#include <tdpsim/run.h>

#include "guest/source.h"
#include "vm/vm.h"

#define AT 0x40000ULL

/* A source whose lock is a word: 1 while its holder works. */
struct file {
	struct page_source source; /* first: the ops find the file by it */
	tdp_pfn_t first;
	struct guest *guest;
	/* Stored by the holder, with release; loaded by resolve(), with acquire. */
	atomic_u32 held;
	/* Resolves that were refused. Added to by the vCPU, relaxed: the holder waits for one. */
	atomic_u32 refused;
	/* Work of the holder, while a fault waits; 0 or its error. */
	int (*work)(struct file *file);
	struct slot_memory scripted; /* of the slot that was laid over the file */
	struct tdp_access_result result;
};

static int file_resolve(const struct page_source *source, struct host_caller *caller,
			uint64_t index, bool write, struct source_page *page)
{
	struct file *file = (struct file *)(uintptr_t)source;

	(void)caller;
	(void)write;
	if (u32_load_acquire(&file->held)) {
		u32_add_relaxed(&file->refused, 1);
		return -EAGAIN;
	}
	*page = (struct source_page){
		.pfn = tdp_pfn(file->first.n + index), .level = TDP_4K, .writable = true};
	return 0;
}

static unsigned int file_level(const struct page_source *source, uint64_t index)
{
	(void)source;
	(void)index;
	return TDP_4K;
}

static int file_peek(const struct page_source *source, uint64_t index, struct source_page *page)
{
	(void)source;
	(void)index;
	(void)page;
	return -EAGAIN;
}

static const struct page_source_ops file_ops = {
	.resolve = file_resolve,
	.level = file_level,
	.peek = file_peek,
	.may_wait = true,
};

static int hold(struct tdp_actor *self, void *arg)
{
	struct file *file = arg;
	struct tdp_host *host = file->guest->host;
	unsigned int rounds = 0;
	int err;

	(void)self;
	while (!u32_load_acquire(&file->refused))
		tdp_pause(&rounds);
	err = file->work(file);
	rcu_synchronize(&host->rcu);
	u32_store_release(&file->held, 0);
	source_release_waiters(host);
	return err;
}

static int access_page(struct tdp_actor *self, void *arg)
{
	struct file *file = arg;
	struct tdp_access_request request = {
		.address = (AT + 1) << TDP_PAGE_SHIFT, .bytes = 8, .access = TDP_WRITE};

	(void)self;
	return tdp_vcpu_access(file->guest->vcpu, &request, &file->result);
}

static struct memslot *slot_of(const struct guest *guest)
{
	return &memslots_of(&guest->vm->memory, 0)->slot[0];
}

/* A vCPU writes to the slot while the file behind it is held. */
static void meet(struct guest *guest, struct file *file, int (*work)(struct file *file))
{
	struct tdp_actor_config actors[] = {
		{.name = "vcpu", .body = access_page, .arg = file},
		{.name = "holder", .body = hold, .arg = file},
	};

	*file = (struct file){
		.source = {.ops = &file_ops, .max_level = TDP_4K},
		.first = tdp_host_carveout(guest->host),
		.guest = guest,
		.work = work,
	};
	u32_init(&file->held, 1);
	u32_init(&file->refused, 0);
	guest_slot(guest, 1, AT, 64, 0);
	file->scripted = slot_of(guest)->memory[MEMORY_SHARED];
	slot_of(guest)->memory[MEMORY_SHARED] = (struct slot_memory){.source = &file->source};
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	assert_true(u32_load_relaxed(&file->refused) >= 1);
}

static int only_wait(struct file *file)
{
	(void)file;
	return 0;
}

static void a_fault_waits_for_a_holder_that_waits_for_a_grace_period(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .untraced = true);
	struct file file;

	meet(guest, &file, only_wait);
	assert_int_equal(file.result.outcome, TDP_ACCESS_DONE);
	assert_int_equal(file.result.pfn.n, file.first.n + 1);
	assert_int_equal(guest_stats(guest).pf_taken, 1);
	assert_int_equal(guest_stats(guest).pf_fixed, 1);
	assert_int_equal(guest_stats(guest).retries, 0);
	slot_of(guest)->memory[MEMORY_SHARED] = file.scripted;
}

/* An invalidation passes the checker's gate. */
static int invalidate_and_check(struct file *file)
{
	struct tdp_host *host = file->guest->host;
	uint64_t hva = file->guest->backing->hva;

	tdp_host_invalidate_begin(host, hva, hva + TDP_PAGE_SIZE);
	tdp_host_invalidate_end(host, hva, hva + TDP_PAGE_SIZE);
	return tdp_vm_check(file->guest->vm, NULL, NULL) ? -EIO : 0;
}

static void a_checker_does_not_wait_for_a_fault_that_waits(void **state)
{
	struct guest *guest =
		guest_make(state, .scripted = true, .untraced = true, .vm.check = true);
	struct file file;

	meet(guest, &file, invalidate_and_check);
	assert_int_equal(file.result.outcome, TDP_ACCESS_DONE);
	slot_of(guest)->memory[MEMORY_SHARED] = file.scripted;
}

static int delete_the_slot(struct file *file)
{
	struct tdp_memslot none = {.id = 1};

	return tdp_vm_set_memslot(file->guest->vm, &none);
}

static void after_the_wait_the_slot_is_looked_up_again(void **state)
{
	struct guest *guest = guest_make(state, .scripted = true, .untraced = true);
	struct file file;

	meet(guest, &file, delete_the_slot);
	assert_int_equal(file.result.outcome, TDP_ACCESS_MMIO);
	assert_int_equal(u32_load_relaxed(&file.refused), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		guest_tests(a_fault_waits_for_a_holder_that_waits_for_a_grace_period),
		guest_tests(a_checker_does_not_wait_for_a_fault_that_waits),
		guest_tests(after_the_wait_the_slot_is_looked_up_again),
	};

	return cmocka_run_group_tests_name("guest/source", tests, NULL, NULL);
}
