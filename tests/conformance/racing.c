/*
 * A trace as a kernel would have printed it while several vCPUs ran: the scenarios
 * 4k_4vcpu, dirty_4vcpu and race of the captures, made by this library's own MMU under
 * a random schedule of the virtual engine. A capture is one sample of a race; this
 * makes any number of them.
 *
 *	racing SCENARIO 6.1|6.12 on|off SEED	(the third: eager split)
 *
 * Between a change and its line other vCPUs get on, as in a kernel. What the trace says
 * of itself and of its inputs is what docs/verification.md tells of the captures.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdpsim/tdpsim.h>

#include "platform/virtual/schedule.h"

#define VCPUS_MAX  4
#define HOST_TASK  1
#define VCPU_TASK  10
#define HVA(slot)  ((uint64_t)0x7f0000000000 + ((uint64_t)(slot) << 32))
#define DATA_GFN   0x40000
#define DATA_PAGES 0x1000
#define CODE_PAGES 0x100

struct racing {
	struct tdp_host *host;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpus[VCPUS_MAX];
	unsigned int vcpu_count;
	bool old_kernel;
	bool in_parallel;
	uint64_t random;
	uint64_t counter;
	unsigned int level; /* of the data slot's host pages */
	uint64_t frames[2][DATA_PAGES];
	uint64_t next_frame;
	uint64_t given_back[DATA_PAGES];
	uint64_t given_back_count;
};

static struct racing racing;

/* splitmix64, by Vigna. */
static uint64_t draw(uint64_t below)
{
	uint64_t z = racing.random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

/* Lets others get on, now and then for long. */
static void dawdle(void)
{
	unsigned int rounds = 0;

	if (!racing.in_parallel || draw(3))
		return;
	for (uint64_t left = draw(8) ? draw(4) : draw(100); left; left--)
		tdp_pause(&rounds);
}

static void begin_line(int vcpu)
{
	printf("%16s-%-7d [%03d]  %12" PRIu64 ": ", "kvmprobe",
	       vcpu < 0 ? HOST_TASK : VCPU_TASK + vcpu, vcpu < 0 ? 3 : vcpu, ++racing.counter);
}

__attribute__((format(printf, 2, 3))) static void mark(int vcpu, const char *format, ...)
{
	va_list arguments;

	begin_line(vcpu);
	printf("tracing_mark_write: P: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

static void probe(const struct tdp_trace_event *event)
{
	if (event->kind == TDP_TRACE_FAULT_RETURN)
		printf("ret_tdp_page_fault: (x <- y) ret=%d\n", event->fault_return.result);
	else if (event->kind == TDP_TRACE_FLUSH)
		printf("flush_all: (x)\n");
	else if (event->kind == TDP_TRACE_MARK_DIRTY)
		printf("mark_dirty: (x) gfn=0x%" PRIx64 "\n", event->mark_dirty.gfn);
	else if (racing.old_kernel)
		printf("ret_root: (x <- y) root=0x%" PRIx64 "\n", event->load_root.root);
	else
		printf("load_pgd: (x) root=0x%" PRIx64 " level=%u\n", event->load_root.root,
		       event->load_root.level);
}

static void sink(void *context, const struct tdp_trace_event *event)
{
	char text[512];

	(void)context;
	dawdle();
	begin_line(event->vcpu);
	if (event->kind >= TDP_TRACE_FAULT_RETURN) {
		probe(event);
		return;
	}
	tdp_trace_text(event, text, sizeof(text));
	printf("%s: %s\n", tdp_trace_name(event->kind), text);
}

static uint64_t new_frame(unsigned int level)
{
	uint64_t pages = tdp_level_pages(level), frame;

	if (level == 1 && racing.given_back_count && draw(2))
		return racing.given_back[--racing.given_back_count];
	frame = (racing.next_frame + pages - 1) / pages * pages;
	racing.next_frame = frame + pages;
	return frame;
}

static int resolve(void *context, void *caller, uint64_t hva, bool write,
		   struct tdp_backing_page *page)
{
	unsigned int slot = hva >= HVA(1);
	uint64_t at = (hva - HVA(slot)) >> TDP_PAGE_SHIFT;
	unsigned int level = slot ? racing.level : 1;
	uint64_t first = at / tdp_level_pages(level) * tdp_level_pages(level);

	(void)context;
	(void)caller;
	(void)write;
	if (!racing.frames[slot][first])
		racing.frames[slot][first] = new_frame(level);
	page->pfn = tdp_pfn(racing.frames[slot][first] + at - first);
	page->writable = true;
	page->device = false;
	dawdle();
	return 0;
}

static unsigned int level_of(void *context, uint64_t hva)
{
	(void)context;
	return hva >= HVA(1) ? racing.level : 1;
}

static const struct tdp_backing_ops ops = {.resolve = resolve, .level = level_of};
static const struct tdp_backing process = {.ops = &ops, .bytes = (uint64_t)1 << 56};

static void discard(uint64_t page, uint64_t count)
{
	uint64_t start = HVA(1) + (page << TDP_PAGE_SHIFT);
	uint64_t end = start + (count << TDP_PAGE_SHIFT);

	tdp_host_invalidate_begin(racing.host, start, end);
	for (; count; page++, count--) {
		if (racing.frames[1][page])
			racing.given_back[racing.given_back_count++] = racing.frames[1][page];
		racing.frames[1][page] = 0;
	}
	tdp_host_invalidate_end(racing.host, start, end);
}

static int set_slot(unsigned int id, uint64_t gfn, uint64_t pages, bool log)
{
	struct tdp_memslot slot = {.size = sizeof(slot),
				   .id = id,
				   .gfn = tdp_gfn(gfn),
				   .pages = pages,
				   .backing = &process,
				   .hva = HVA(id),
				   .log_dirty = log};
	int err;

	mark(-1,
	     "HOST set_memory_region as=0 slot=%u flags=0x%x gpa=0x%" PRIx64 " size=0x%" PRIx64
	     " hva=0x%" PRIx64,
	     id, log, gfn << 12, pages << 12, HVA(id));
	err = tdp_vm_set_memslot(racing.vm, &slot);
	mark(-1, "HOST set_memory_region rc=%d errno=%d", err ? -1 : 0, -err);
	return err;
}

static int log_slot(bool log)
{
	return set_slot(1, DATA_GFN, DATA_PAGES, log);
}

static int get_log(void)
{
	uint64_t bitmap[DATA_PAGES / 64], dirty = 0;
	char text[8192] = "";
	size_t length = 0;
	int err;

	mark(-1, "HOST get_dirty_log slot=1");
	err = tdp_vm_get_dirty_log(racing.vm, 0, 1, bitmap, DATA_PAGES / 64);
	for (uint64_t i = 0, end; i < DATA_PAGES && !err; i = end) {
		for (end = i; end < DATA_PAGES && bitmap[end / 64] >> end % 64 & 1; end++)
			dirty++;
		if (end > i)
			length +=
				(size_t)snprintf(text + length, sizeof(text) - length,
						 " 0x%" PRIx64 "+%" PRIu64, DATA_GFN + i, end - i);
		else
			end++;
	}
	mark(-1, "HOST get_dirty_log rc=0 errno=0 dirty=%" PRIu64 " gfns:%s", dirty, text);
	return err;
}

/* A step of the guest's instruction, with its faults; the fetch comes again with each. */
static int step(unsigned int vcpu, enum tdp_access access, uint64_t address, uint64_t rip)
{
	struct tdp_access_request request = {.address = address, .access = access, .rip = rip};
	struct tdp_access_result result;
	enum tdp_fault_result came_of;
	int err = tdp_vcpu_enter(racing.vcpus[vcpu], &request, &result);

	if (err || result.outcome == TDP_ACCESS_DONE)
		return err;
	if (result.outcome != TDP_ACCESS_FAULT)
		return -EIO;
	err = tdp_vcpu_fault(racing.vcpus[vcpu], &result.fault, &came_of);
	return err ? err : 1;
}

static int run(unsigned int vcpu, uint64_t rip, uint64_t hlt, uint64_t gpa)
{
	int again;

	do {
		again = step(vcpu, TDP_FETCH, rip, rip);
		if (again == 0 && gpa)
			again = step(vcpu, TDP_WRITE, gpa, rip);
	} while (again == 1);
	while (again == 0 && (again = step(vcpu, TDP_FETCH, hlt, hlt)) == 1)
		again = 0;
	tdp_vcpu_exit(racing.vcpus[vcpu]);
	return again;
}

static int write_page(unsigned int vcpu, uint64_t page)
{
	uint64_t gpa = (DATA_GFN + page) << TDP_PAGE_SHIFT;

	mark((int)vcpu, "ACC vcpu=%u W gpa=0x%" PRIx64, vcpu, gpa);
	dawdle();
	return run(vcpu, 0x1003, 0x1005, gpa);
}

/* vCPU i writes `count` pages: first + i * apart, and on by `stride`. */
struct pages {
	uint64_t first, apart, stride, count;
};

static int write_pages(struct tdp_actor *self, void *arg)
{
	const struct pages *pages = arg;
	unsigned int vcpu = (unsigned int)tdp_actor_index(self);
	int err = 0;

	for (uint64_t i = 0; i < pages->count && !err; i++)
		err = write_page(vcpu, pages->first + vcpu * pages->apart + i * pages->stride);
	return err;
}

static int discard_often(struct tdp_actor *self, void *arg)
{
	unsigned int rounds = 0;

	(void)self;
	(void)arg;
	for (uint64_t i = 0; i < 40; i++) {
		mark(-1, "HOST madvise(DONTNEED) p%" PRIu64 "..+8", 2 * i);
		discard(2 * i, 8);
		for (uint64_t left = draw(60); left; left--)
			tdp_pause(&rounds);
	}
	return 0;
}

static int toggle_log(struct tdp_actor *self, void *arg)
{
	unsigned int rounds = 0;
	int err = 0;

	(void)self;
	(void)arg;
	for (unsigned int i = 0; i < 4 && !err; i++) {
		err = log_slot(true);
		for (uint64_t left = draw(100); left; left--)
			tdp_pause(&rounds);
		if (!err)
			err = get_log();
		if (!err)
			err = get_log();
		if (!err)
			err = log_slot(false);
		for (uint64_t left = draw(100); left; left--)
			tdp_pause(&rounds);
	}
	return err;
}

static int in_parallel(struct pages pages, tdp_actor_body *host)
{
	struct tdp_actor_config actors[VCPUS_MAX + 1] = {{0}};
	unsigned int count = 0;
	int err;

	for (; count < racing.vcpu_count; count++)
		actors[count] = (struct tdp_actor_config){.body = write_pages, .arg = &pages};
	if (host)
		actors[count++].body = host;
	racing.in_parallel = true;
	err = tdp_run(NULL, actors, count, NULL);
	racing.in_parallel = false;
	return err;
}

static int run_4k_4vcpu(void)
{
	int err;

	mark(-1, "PHASE 4 vcpus in parallel, interleaved pages");
	err = in_parallel((struct pages){0, 1, 4, 64}, NULL);
	mark(-1, "PHASE 4 vcpus in parallel, all the same 64 pages in a fresh 2M region (races)");
	if (!err)
		err = in_parallel((struct pages){0x200, 0, 1, 64}, NULL);
	mark(-1, "PHASE 4 vcpus in parallel, disjoint runs of 64");
	return err ? err : in_parallel((struct pages){0x400, 64, 1, 64}, NULL);
}

static int run_dirty_4vcpu(void)
{
	int err = 0;

	mark(-1, "PHASE map 4 regions as 2M, vcpu i region i");
	for (unsigned int i = 0; i < 4 && !err; i++)
		err = write_page(i, i * 0x200);
	mark(-1, "PHASE enable dirty logging");
	if (!err)
		err = log_slot(true);
	mark(-1, "PHASE 4 vcpus write the same 16 pages of region 0 (racing split and fast fix)");
	if (!err)
		err = in_parallel((struct pages){0, 0, 1, 16}, NULL);
	mark(-1, "PHASE 4 vcpus write disjoint 16 pages of region 1");
	if (!err)
		err = in_parallel((struct pages){0x200, 16, 1, 16}, NULL);
	if (!err)
		err = get_log();
	mark(-1, "PHASE 4 vcpus write the same 16 pages of region 0 again");
	if (!err)
		err = in_parallel((struct pages){0, 0, 1, 16}, NULL);
	return err ? err : get_log();
}

static int run_race(void)
{
	int err;

	mark(-1, "PHASE 3 vcpus write 100 pages each (same pages) while the host discards");
	err = in_parallel((struct pages){0, 0, 1, 100}, discard_often);
	mark(-1, "PHASE 3 vcpus write 100 pages each (same pages) while the host toggles the log");
	return err ? err : in_parallel((struct pages){0x200, 0, 1, 100}, toggle_log);
}

static const struct scene {
	const char *name;
	unsigned int vcpus, level;
	int (*play)(void);
} scenes[] = {
	{"4k_4vcpu", 4, 1, run_4k_4vcpu},
	{"dirty_4vcpu", 4, 2, run_dirty_4vcpu},
	{"race", 3, 1, run_race},
};

static int create(bool eager)
{
	struct tdp_host_config host = {
		.size = sizeof(host), .memory_bytes = (uint64_t)2 << 30, .carveout_bytes = 1 << 30};
	const struct tdp_policy policy = {.size = sizeof(policy),
					  .eager_split = eager ? TDP_ON : TDP_OFF};
	struct tdp_vm_config vm = {
		.size = sizeof(vm), .format = TDP_NPT, .policy = &policy, .trace = sink};
	struct tdp_vcpu_config vcpu = {.size = sizeof(vcpu), .no_tlb = true};
	int err = tdp_host_create(&host, &racing.host);

	vm.baseline = racing.old_kernel ? TDP_BASELINE_6_1 : TDP_BASELINE_6_12;
	if (!err)
		err = tdp_vm_create(racing.host, &vm, &racing.vm);
	if (err)
		return err;
	racing.next_frame = tdp_host_carveout(racing.host).n;
	for (unsigned int i = 0; i < racing.vcpu_count && !err; i++)
		err = tdp_vcpu_create(racing.vm, &vcpu, &racing.vcpus[i]);
	return err;
}

static int set_up(const struct scene *scene)
{
	int err;

	mark(-1, "HOST backing anon-4k hva=0x%" PRIx64 " size=0x100000 pretouched=1", HVA(0));
	err = set_slot(0, 0, CODE_PAGES, false);
	mark(-1, "HOST backing %s hva=0x%" PRIx64 " size=0x%x pretouched=1",
	     scene->level == 1 ? "anon-4k" : "hugetlb-2M", HVA(1), DATA_PAGES << TDP_PAGE_SHIFT);
	if (!err)
		err = log_slot(false);
	mark(-1, "PHASE warm: each vcpu runs NOP;HLT on the code page (gfn 1)");
	for (unsigned int i = 0; i < racing.vcpu_count && !err; i++)
		err = run(i, 0x101b, 0x101c, 0);
	return err;
}

static int play(const struct scene *scene, bool eager)
{
	int err;

	racing.vcpu_count = scene->vcpus;
	racing.level = scene->level;
	printf("# kernel %s.0\n# kvm.eager_page_split=%s\n# kvm.nx_huge_pages=N\n"
	       "# kvm.mmio_caching=Y\n# kvm_amd.npt=Y\n",
	       racing.old_kernel ? "6.1" : "6.12", eager ? "Y" : "N");
	err = create(eager);
	mark(-1, "PHASE create vm type=0 vcpus=%u", scene->vcpus);
	if (!err)
		err = set_up(scene);
	if (!err)
		err = scene->play();
	mark(-1, "PHASE destroy vm (close all fds)");
	tdp_vm_destroy(racing.vm);
	mark(-1, "END %s", scene->name);
	tdp_host_destroy(racing.host);
	return err;
}

int main(int argc, char **argv)
{
	struct schedule_random schedule = {0};
	const struct scene *scene = scenes;
	int err;

	while (argc == 5 && scene < scenes + 3 && strcmp(scene->name, argv[1]) != 0)
		scene++;
	if (argc != 5 || scene == scenes + 3) {
		fprintf(stderr, "racing: SCENARIO 6.1|6.12 on|off SEED\n");
		return EXIT_FAILURE;
	}
	racing.old_kernel = strcmp(argv[2], "6.1") == 0;
	racing.random = strtoull(argv[4], NULL, 10);
	schedule_random_init(&schedule, racing.random);
	schedule_use(&schedule.schedule);
	err = play(scene, strcmp(argv[3], "on") == 0);
	schedule_use(NULL);
	if (err)
		fprintf(stderr, "racing: %s\n", strerror(-err));
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
