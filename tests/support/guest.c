/* A small guest for the tests of the MMU. See guest.h. */
#include "support/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB	     ((uint64_t)1 << 20)
#define GIB	     ((uint64_t)1 << 30)
#define SCRIPT_HVA   ((uint64_t)1 << 45) /* above all anonymous mappings */
#define SCRIPT_BYTES (4 * GIB)
#define ADDRESS	     0x000ffffffffff000ULL

enum tdp_format guest_npt = TDP_NPT, guest_ept = TDP_EPT;

int guest_setup(void **state)
{
	enum tdp_format format = *(const enum tdp_format *)*state;
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return -1;
	guest->config.vm.format = format;
	guest->config.vm.policy = &guest->config.policy;
	*state = guest;
	return 0;
}

static void keep_report(void *context, const char *sentence)
{
	struct guest *guest = context;

	snprintf(guest->report, sizeof(guest->report), "%s", sentence);
	guest->reports++;
}

static void keep_event(void *context, const struct tdp_trace_event *event)
{
	struct guest *guest = context;

	if (guest->event_count == guest->event_room) {
		guest->event_room = guest->event_room ? 2 * guest->event_room : 64;
		guest->events =
			realloc(guest->events, guest->event_room * sizeof(guest->events[0]));
		if (!guest->events)
			abort();
	}
	guest->events[guest->event_count++] = *event;
	if (guest->on_event)
		guest->on_event(guest, event);
}

static int script_resolve(void *context, void *caller, uint64_t hva, bool write,
			  struct tdp_backing_page *page)
{
	struct guest_script *script = context;
	int error = script->error;

	(void)caller;
	(void)write;
	script->resolved++;
	script->error = 0;
	*page = (struct tdp_backing_page){
		.pfn = script->frame ? tdp_pfn(script->frame)
				     : tdp_pfn(tdp_host_carveout(script->host).n +
					       ((hva - SCRIPT_HVA) >> TDP_PAGE_SHIFT)),
		.writable = !script->read_only,
		.device = script->device,
	};
	if (script->inside)
		script->inside(script->guest);
	return error;
}

static void script_release(void *context, uint64_t hva, const struct tdp_backing_page *page,
			   bool mapped_writable)
{
	struct guest_script *script = context;

	(void)hva;
	(void)page;
	script->released++;
	script->released_writable += mapped_writable;
}

static unsigned int script_level(void *context, uint64_t hva)
{
	const struct guest_script *script = context;

	(void)hva;
	return script->level;
}

static const struct tdp_backing_ops script_ops = {
	.resolve = script_resolve,
	.release = script_release,
	.level = script_level,
};

static void fill_host(struct guest *guest, struct tdp_host_config *host)
{
	if (!host->memory_bytes)
		host->memory_bytes = 8 * GIB;
	if (!host->table_bytes)
		host->table_bytes = 64 * MIB;
	if (!host->carveout_bytes)
		host->carveout_bytes = SCRIPT_BYTES;
	if (!host->maxphyaddr)
		host->maxphyaddr = 46;
	host->check = !guest->config.unchecked;
	host->report = keep_report;
	host->report_context = guest;
}

static void make_memory(struct guest *guest)
{
	struct guest_script *script = &guest->script;
	struct tdp_anon_config anon = {.bytes = guest->config.bytes, .page = guest->config.page};

	*script = (struct guest_script){
		.backing = {.ops = &script_ops,
			    .context = script,
			    .hva = SCRIPT_HVA,
			    .bytes = SCRIPT_BYTES},
		.host = guest->host,
		.level = TDP_4K,
		.guest = guest,
	};
	guest->backing = &script->backing;
	if (guest->config.scripted)
		return;
	if (!anon.bytes)
		anon.bytes = anon.page == TDP_1G ? 2 * GIB : 64 * MIB;
	assert_int_equal(tdp_anon_create(guest->host, &anon, &guest->anon), 0);
	guest->backing = tdp_anon_backing(guest->anon);
}

/*
 * Entries in these tests are written in the layout until 7.1, so a test that asks for no kernel
 * gets the last of these, without its bug in the log. test_layout.c has the values of 7.2.
 */
static void choose_kernel(struct guest_config *config)
{
	if (config->vm.baseline != TDP_BASELINE_LATEST)
		return;
	config->vm.baseline = TDP_BASELINE_6_18;
	if (!config->policy.exit_keeps_log)
		config->policy.exit_keeps_log = TDP_OFF;
}

struct guest *guest_make_host_as(void **state, const struct guest_config *config)
{
	struct guest *guest = *state;
	enum tdp_format format = guest->config.vm.format;

	guest->config = *config;
	guest->config.vm.format = format;
	guest->config.vm.policy = &guest->config.policy;
	choose_kernel(&guest->config);
	fill_host(guest, &guest->config.host);
	if (!guest->config.untraced && !guest->config.unchecked) {
		guest->config.vm.trace = keep_event;
		guest->config.vm.trace_context = guest;
	}
	guest->config.vm.check = !guest->config.unchecked;
	assert_int_equal(tdp_host_create(&guest->config.host, &guest->host), 0);
	make_memory(guest);
	tdp_host_usage(guest->host, &guest->before);
	return guest;
}

struct guest *guest_make_as(void **state, const struct guest_config *config)
{
	struct guest *guest = guest_make_host_as(state, config);

	if (!guest->config.vcpus)
		guest->config.vcpus = 1;
	assert_int_equal(tdp_vm_create(guest->host, &guest->config.vm, &guest->vm), 0);
	guest->config.policy = *tdp_vm_policy(guest->vm);
	for (unsigned int i = 0; i < guest->config.vcpus; i++)
		assert_int_equal(tdp_vcpu_create(guest->vm, &guest->config.vcpu, &guest->vcpus[i]),
				 0);
	guest->vcpu = guest->vcpus[0];
	return guest;
}

static void print_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	unsigned int *printed = context;

	if ((*printed)++ < 5)
		print_error("%s: %s\n", tdp_invariant_name(invariant), sentence);
}

uint64_t guest_violations(const struct guest *guest)
{
	unsigned int printed = 0;

	return tdp_vm_check(guest->vm, print_violation, &printed);
}

void guest_end_vm(struct guest *guest)
{
	tdp_vm_destroy(guest->vm);
	guest->vm = NULL;
}

/* Whether the VM has freed all its table frames. The backing owns guest memory. */
static int left_over(const struct guest *guest)
{
	struct tdp_host_memory after;

	tdp_host_usage(guest->host, &after);
	if (after.table_frames == guest->before.table_frames)
		return 0;
	print_error("%llu table frames are left over\n",
		    (unsigned long long)(after.table_frames - guest->before.table_frames));
	return -1;
}

int guest_teardown(void **state)
{
	struct guest *guest = *state;
	int failed = 0;

	guest->script.inside = NULL;
	guest->on_event = NULL;
	/* A script may lower its level without an invalidation, which no host does. */
	guest->script.level = TDP_1G;
	if (guest->vm && guest_violations(guest))
		failed = -1;
	guest_end_vm(guest);
	if (guest->host && left_over(guest))
		failed = -1;
	tdp_anon_destroy(guest->anon);
	tdp_host_destroy(guest->host);
	free(guest->events);
	free(guest);
	return failed;
}

struct tdp_memslot guest_slot_of(const struct guest *guest, unsigned int id, uint64_t gfn,
				 uint64_t pages, uint64_t offset)
{
	return (struct tdp_memslot){
		.id = id,
		.gfn = tdp_gfn(gfn),
		.pages = pages,
		.backing = guest->backing,
		.hva = guest->backing->hva + (offset << TDP_PAGE_SHIFT),
	};
}

void guest_slot(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages, uint64_t offset)
{
	struct tdp_memslot slot = guest_slot_of(guest, id, gfn, pages, offset);

	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

void guest_slot_read_only(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages,
			  uint64_t offset)
{
	struct tdp_memslot slot = guest_slot_of(guest, id, gfn, pages, offset);

	slot.read_only = true;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

void guest_slot_delete(struct guest *guest, unsigned int id)
{
	struct tdp_memslot slot = {.id = id};

	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

void guest_discard(struct guest *guest, uint64_t page, uint64_t pages)
{
	uint64_t start = guest->backing->hva + (page << TDP_PAGE_SHIFT);

	if (guest->anon) {
		assert_int_equal(tdp_anon_discard(guest->anon, page << TDP_PAGE_SHIFT,
						  pages << TDP_PAGE_SHIFT),
				 0);
		return;
	}
	tdp_host_invalidate_begin(guest->host, start, start + (pages << TDP_PAGE_SHIFT));
	tdp_host_invalidate_end(guest->host, start, start + (pages << TDP_PAGE_SHIFT));
}

static struct tdp_access_result access_on(struct tdp_vcpu *vcpu, uint64_t gpa,
					  enum tdp_access access)
{
	struct tdp_access_request request = {.address = gpa, .access = access, .rip = 0x1000};
	struct tdp_access_result result;

	assert_int_equal(tdp_vcpu_access(vcpu, &request, &result), 0);
	return result;
}

struct tdp_access_result guest_access(struct guest *guest, uint64_t gpa, enum tdp_access access)
{
	return access_on(guest->vcpu, gpa, access);
}

unsigned int guest_touch_on(struct tdp_vcpu *vcpu, uint64_t gfn, enum tdp_access access)
{
	struct tdp_access_result result = access_on(vcpu, gfn << TDP_PAGE_SHIFT, access);

	assert_int_equal(result.outcome, TDP_ACCESS_DONE);
	return result.faults;
}

unsigned int guest_touch(struct guest *guest, uint64_t gfn, enum tdp_access access)
{
	return guest_touch_on(guest->vcpu, gfn, access);
}

static unsigned int root_level(const struct guest *guest)
{
	const struct tdp_vm_config *vm = &guest->config.vm;
	unsigned int width = guest->config.vcpu.maxphyaddr;

	if (vm->levels != 5)
		return 4;
	if (!width)
		width = vm->maxphyaddr ? vm->maxphyaddr : 52;
	return vm->format == TDP_EPT && width <= 48 ? 4 : 5;
}

struct tdp_walk_config guest_walk_config(const struct guest *guest)
{
	const struct tdp_vm_config *vm = &guest->config.vm;
	bool ept = vm->format == TDP_EPT;

	return (struct tdp_walk_config){
		.format = vm->format,
		.levels = root_level(guest),
		.maxphyaddr = guest->config.host.maxphyaddr,
		.ad = ept && !vm->no_ad,
		.execute_only = ept && !vm->no_execute_only,
		.mbec = vm->mbec,
		.host_nxe = !ept,
		.gmet = vm->gmet,
	};
}

struct tdp_walk_result guest_walk(const struct guest *guest, uint64_t gfn, enum tdp_access access)
{
	struct tdp_walk_config config = guest_walk_config(guest);
	struct tdp_walk_request request = {
		.address = gfn << TDP_PAGE_SHIFT,
		.access = access,
		.no_update = true,
	};
	struct tdp_walk_result result;
	tdp_pfn_t root = tdp_vcpu_root(guest->vcpu);

	assert_int_not_equal(root.n, 0);
	assert_int_equal(tdp_walk_gpa(guest->host, &config, root, &request, &result), 0);
	return result;
}

enum tdp_level guest_level(const struct guest *guest, uint64_t gfn)
{
	struct tdp_walk_result result = guest_walk(guest, gfn, TDP_READ);

	return result.outcome == TDP_WALK_DONE ? (enum tdp_level)result.level : TDP_NOT_MAPPED;
}

uint64_t guest_entry(const struct guest *guest, uint64_t gfn)
{
	return guest_walk(guest, gfn, TDP_READ).entry;
}

uint64_t guest_entry_bits(const struct guest *guest, uint64_t gfn)
{
	return guest_entry(guest, gfn) & ~ADDRESS;
}

uint64_t *guest_entry_at(const struct guest *guest, uint64_t gfn)
{
	unsigned int end = guest_walk(guest, gfn, TDP_READ).entry_level;
	uint64_t *table = tdp_host_frame(guest->host, tdp_vcpu_root(guest->vcpu));

	for (unsigned int level = root_level(guest); level > end; level--) {
		uint64_t entry = table[gfn >> (9 * (level - 1)) & 511];

		table = tdp_host_frame(guest->host, tdp_pfn((entry & ADDRESS) >> TDP_PAGE_SHIFT));
	}
	return &table[gfn >> (9 * (end - 1)) & 511];
}

bool guest_writable(const struct guest *guest, uint64_t gfn)
{
	return guest_walk(guest, gfn, TDP_WRITE).outcome == TDP_WALK_DONE;
}

struct tdp_stats guest_stats(const struct guest *guest)
{
	struct tdp_stats stats;

	tdp_vm_stats(guest->vm, &stats);
	return stats;
}

void guest_forget(struct guest *guest)
{
	guest->event_count = 0;
}

size_t guest_count(const struct guest *guest, enum tdp_trace_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < guest->event_count; i++)
		count += guest->events[i].kind == kind;
	return count;
}

const struct tdp_trace_event *guest_event(const struct guest *guest, enum tdp_trace_kind kind,
					  size_t nth)
{
	for (size_t i = 0; i < guest->event_count; i++)
		if (guest->events[i].kind == kind && nth-- == 0)
			return &guest->events[i];
	print_error("there is no such %s\n", tdp_trace_name(kind));
	fail();
	return NULL;
}

static void print_events(const struct guest *guest)
{
	char text[512];

	for (size_t i = 0; i < guest->event_count; i++) {
		tdp_trace_text(&guest->events[i], text, sizeof(text));
		print_error("%3zu %s: %s\n", i, tdp_trace_name(guest->events[i].kind), text);
	}
}

void guest_expect_as(const struct guest *guest, const enum tdp_trace_kind *kinds, size_t count)
{
	bool same = guest->event_count == count;

	for (size_t i = 0; same && i < count; i++)
		same = guest->events[i].kind == kinds[i];
	if (same)
		return;
	print_error("expected:\n");
	for (size_t i = 0; i < count; i++)
		print_error("%3zu %s\n", i, tdp_trace_name(kinds[i]));
	print_error("found:\n");
	print_events(guest);
	fail();
}

int guest_fault_return(const struct guest *guest)
{
	size_t count = guest_count(guest, TDP_TRACE_FAULT_RETURN);

	assert_int_not_equal(count, 0);
	return guest_event(guest, TDP_TRACE_FAULT_RETURN, count - 1)->fault_return.result;
}

size_t guest_changes(const struct guest *guest, unsigned int level, uint64_t old, uint64_t new)
{
	size_t count = 0;

	for (size_t i = 0; i < guest->event_count; i++) {
		const struct tdp_trace_event *event = &guest->events[i];

		count += event->kind == TDP_TRACE_SPTE_CHANGED &&
			 event->spte_changed.level == level &&
			 (event->spte_changed.old_entry & ~ADDRESS) == old &&
			 (event->spte_changed.new_entry & ~ADDRESS) == new;
	}
	return count;
}

void guest_refused(struct guest *guest, int err, int expected)
{
	assert_int_equal(err, expected);
	assert_int_equal(guest->reports, 1);
	assert_int_not_equal(strlen(guest->report), 0);
	guest->reports = 0;
}

uint64_t guest_nonpresent(const struct guest *guest)
{
	return guest->config.policy.suppress_ve == TDP_ON ? 1ULL << 63 : 0;
}

uint64_t guest_frozen(const struct guest *guest)
{
	return guest_nonpresent(guest) | 0x5a0;
}

void guest_faults_add_up(const struct guest *guest)
{
	struct tdp_stats s = guest_stats(guest);

	assert_int_equal(s.pf_taken,
			 s.pf_fixed + s.pf_spurious + s.pf_emulate + s.retries + s.errors);
}
