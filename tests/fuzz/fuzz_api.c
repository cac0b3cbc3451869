/*
 * Any sequence of calls of the public interface, made by one thread.
 *
 * The input says what host and VM to make, then which calls: vCPUs, slots, accesses,
 * faults with any error code, pages given back, zaps, registers, SMM, invalidations
 * by hand, iterators, rounds of recovery, the switch of NX huge pages, allocations
 * that fail.
 *
 * What must hold: no call stops the program; an error is one of those the call
 * documents; at any moment tdp_vm_check() has nothing to say, and in the end the
 * host has everything back. A baseline whose spurious_if_allowed is off brings a bug
 * with it (docs/model.md) under which a TLB may allow more than the tables, where the
 * host does not let memory be written.
 */
#include "fuzz/support/input.h"
#include "fuzz/support/script.h"

#include <errno.h>

#include <tdpsim/tdpsim.h>

#define GIB   ((uint64_t)1 << 30)
#define VCPUS 3
#define ANONS 4
#define CALLS 96

struct world {
	struct tdp_host *host;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpus[VCPUS];
	unsigned int vcpu_count;
	struct tdp_anon *anons[ANONS];
	struct script script;
	struct tdp_policy policy;
	struct tdp_walk_config walk;
	uint64_t failing; /* allocations until one fails; 0: none does */
	bool read_only;	  /* some memory was, at some time */
};

static bool refuse(void *context, enum tdp_allocation allocation)
{
	struct world *world = context;

	(void)allocation;
	return world->failing && --world->failing == 0;
}

static void note_report(void *context, const char *sentence)
{
	(void)context;
	HOLDS(sentence && sentence[0]);
}

static void note_event(void *context, const struct tdp_trace_event *event)
{
	char text[256];

	(void)context;
	HOLDS(tdp_trace_name(event->kind));
	HOLDS(tdp_trace_text(event, text, sizeof(text)) >= 0);
}

static void note_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	const struct world *world = context;
	bool stale = invariant == TDP_INVARIANT_TLB || invariant == TDP_INVARIANT_STALE_ACCESS;

	if (stale && world->read_only && world->policy.spurious_if_allowed == TDP_OFF)
		return;
	fprintf(stderr, "%s: %s\n", tdp_invariant_name(invariant), sentence);
	abort();
}

/* -ENOMEM is an answer only where an allocation failed, or memory may have run out. */
static void expect(int err, int allowed, int allowed_too)
{
	HOLDS(!err || err == -ENOMEM || err == allowed || err == allowed_too);
}

/* Few frame numbers, near each other and near all kinds of borders. */
static uint64_t read_gfn(struct input *input)
{
	static const uint64_t bases[] = {0,
					 512,
					 1 << 18,
					 (1 << 18) - 512,
					 2 << 18,
					 ((uint64_t)1 << 27) - 1,
					 ((uint64_t)1 << 36) - 1024,
					 ((uint64_t)1 << 40)};
	static const uint64_t offsets[] = {0, 1, 2, 511, 512, 513, 1023, 1024};
	uint8_t code = input_u8(input);

	if ((code & 0xc0) == 0xc0)
		return input_u64(input);
	return bases[code & 7] + offsets[code >> 3 & 7];
}

static uint64_t read_pages(struct input *input)
{
	static const uint64_t counts[] = {0, 1, 2, 512, 513, 1024, 1 << 18, (1 << 18) + 512};
	uint8_t code = input_u8(input);

	return code & 0x80 ? input_u64(input) : counts[code & 7];
}

static bool make_host(struct input *input, struct world *world)
{
	uint8_t bits = input_u8(input);
	struct tdp_host_config config = {
		.memory_bytes = 6 * GIB,
		.table_bytes = (uint64_t)(bits & 1 ? 2 : 16) << 20,
		.carveout_bytes = bits & 2 ? 2 * GIB : GIB,
		.nodes = bits & 4 && !(bits & 1) ? 2 : 1,
		.maxphyaddr = bits & 8 ? 36 : 46,
		.hugetlb_2m = bits & 16 ? 64 : 0,
		.hugetlb_1g = bits & 32 ? 1 : 0,
		.check = !(bits & 64),
		.report = note_report,
		.fail = refuse,
		.fail_context = world,
	};
	int err = tdp_host_create(&config, &world->host);

	expect(err, -EINVAL, -EOPNOTSUPP);
	return !err;
}

static void make_memory(struct input *input, struct world *world)
{
	static const uint64_t bytes[] = {GIB, 4 << 20, 16 << 20, 2 * GIB};

	for (unsigned int i = 0; i < ANONS; i++) {
		uint8_t bits = input_u8(input);
		struct tdp_anon_config config = {
			.bytes = bytes[bits & 3],
			.page = (enum tdp_level)(bits >> 2 & 3),
			.policy = bits & 16 ? TDP_ANON_PAGES : TDP_ANON_EXTENTS,
			.node = bits >> 6,
			.read_only = bits & 32,
		};

		world->read_only |= config.read_only;
		expect(tdp_anon_create(world->host, &config, &world->anons[i]), -EINVAL, -EINVAL);
	}
}

/* A choice for each policy; some of them are none. */
static void read_policy(struct input *input, struct tdp_policy *policy)
{
	enum tdp_choice *const choices[] = {
		&policy->suppress_ve,
		&policy->zap_flush_first,
		&policy->spurious_if_allowed,
		&policy->dirty_at_birth,
		&policy->software_ad,
		&policy->quiet_spurious,
		&policy->shared_root_alloc,
		&policy->zap_each_level,
		&policy->skip_invalid_roots,
		&policy->lockless_age,
		&policy->early_invalidation_check,
		&policy->slot_zap_all,
	};
	uint8_t kinds = input_u8(input);

	policy->lock = (enum tdp_lock_policy)(kinds & 3);
	policy->stats = (enum tdp_stats_policy)((kinds >> 2 & 3) % 3);
	policy->huge_fault = (enum tdp_huge_fault_policy)((kinds >> 4 & 3) % 3);
	if (!(kinds & 0x40))
		return;
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		*choices[i] = (enum tdp_choice)(input_u8(input) % (kinds & 0x80 ? 4 : 3));
}

static void describe_machine(struct world *world, const struct tdp_vm_config *config)
{
	world->walk = (struct tdp_walk_config){
		.format = config->format,
		.levels = config->levels,
		.maxphyaddr = 46,
		.ad = !config->no_ad,
		.execute_only = !config->no_execute_only,
		.host_nxe = true,
	};
}

static bool make_vm(struct input *input, struct world *world)
{
	uint64_t bits = input_bytes(input, 2);
	static const enum tdp_baseline baselines[] = {TDP_BASELINE_LATEST, TDP_BASELINE_6_1,
						      TDP_BASELINE_6_12, TDP_BASELINE_5_13};
	struct tdp_policy policy = {0};
	struct tdp_vm_config config = {
		.format = bits & 1 ? TDP_EPT : TDP_NPT,
		.levels = bits & 2 ? 5 : 4,
		.baseline = baselines[bits >> 2 & 3],
		.no_mmio_caching = bits & 1 << 4,
		.max_level = (enum tdp_level)(bits >> 5 & 3),
		.address_spaces = bits >> 7 & 3,
		.check = !(bits & 1 << 9),
		.trace = bits & 1 << 10 ? note_event : NULL,
		.trace_ring = bits & 1 << 11 ? 16 : 0,
		.no_ad = bits & 1 << 12,
		.no_execute_only = bits & 1 << 13,
		.reserved_not_present = bits & 1 << 14,
		.l1tf = bits & 1 << 15,
		.policy = &policy,
	};
	uint8_t width;
	int err;

	width = input_u8(input);
	config.maxphyaddr = width % 64;
	config.no_nx_huge_pages = width & 0x80;
	config.nx_recovery_ratio = width % 4;
	read_policy(input, &policy);
	policy.nx_huge_pages = width & 0x40 ? TDP_ON : TDP_OFF;
	err = tdp_vm_create(world->host, &config, &world->vm);
	expect(err, -EINVAL, -EINVAL);
	if (err)
		return false;
	world->policy = *tdp_vm_policy(world->vm);
	describe_machine(world, &config);
	return true;
}

static void make_vcpu(struct input *input, struct world *world)
{
	struct tdp_vcpu_config config = {.maxphyaddr = input_u8(input) % 64};
	uint8_t bits = input_u8(input);
	int err;

	if (world->vcpu_count == VCPUS)
		return;
	config.no_tlb = bits & 1;
	config.node = (int8_t)bits >> 1 & 3;
	err = tdp_vcpu_create(world->vm, &config, &world->vcpus[world->vcpu_count]);
	expect(err, -EINVAL, -EINVAL);
	if (!err)
		world->vcpu_count++;
}

static struct tdp_vcpu *pick_vcpu(struct input *input, const struct world *world)
{
	uint8_t choice = input_u8(input);

	return world->vcpu_count ? world->vcpus[choice % world->vcpu_count] : NULL;
}

/* One that could not be made is none. */
static const struct tdp_backing *pick_backing(const struct world *world, uint8_t choice)
{
	const struct tdp_anon *anon = world->anons[choice % ANONS];

	if (choice & ANONS)
		return &world->script.backing;
	return anon ? tdp_anon_backing(anon) : NULL;
}

static void set_slot(struct input *input, struct world *world)
{
	uint8_t bits = input_u8(input), more = input_u8(input);
	struct tdp_memslot slot = {
		.address_space = bits & 1,
		.id = bits & 0x80 ? bits * 4 : bits >> 1 & 7,
		.read_only = bits & 16,
		.gfn = tdp_gfn(read_gfn(input)),
		.pages = read_pages(input),
	};
	int err;

	slot.backing = pick_backing(world, more);
	if (slot.backing && more & 0x10)
		slot.hva = slot.backing->hva + (read_pages(input) << TDP_PAGE_SHIFT);
	err = tdp_vm_set_memslot(world->vm, &slot);
	HOLDS(!err || err == -EINVAL || err == -EEXIST || err == -ENOENT || err == -ENOMEM);
}

static uint64_t read_address(struct input *input)
{
	uint64_t gfn = read_gfn(input);

	return gfn << TDP_PAGE_SHIFT | (input_u8(input) << 4 & 0xfff);
}

static void check_result(const struct world *world, const struct tdp_access_result *result)
{
	if (result->outcome == TDP_ACCESS_DONE)
		HOLDS(tdp_host_frame(world->host, result->pfn));
	if (result->outcome == TDP_ACCESS_REFUSED)
		HOLDS(result->error < 0);
}

static void access_memory(struct input *input, struct world *world, bool once)
{
	struct tdp_vcpu *vcpu = pick_vcpu(input, world);
	uint8_t bits = input_u8(input);
	uint64_t word = bits;
	struct tdp_access_request request = {
		.address = read_address(input),
		.access = (enum tdp_access)(bits & 3), /* one of them is none */
		.user = bits & 4,
		.rip = bits,
		.data = bits & 8 ? &word : NULL,
		.bytes = bits & 8 ? sizeof(word) : 0,
	};
	struct tdp_access_result result;
	enum tdp_fault_result handled;
	int err;

	if (!vcpu)
		return;
	if (!once) {
		err = tdp_vcpu_access(vcpu, &request, &result);
		expect(err, -EINVAL, -EINVAL);
		HOLDS(err || result.outcome != TDP_ACCESS_FAULT);
	} else {
		err = tdp_vcpu_enter(vcpu, &request, &result);
		expect(err, -EINVAL, -EINVAL);
	}
	if (err)
		return;
	check_result(world, &result);
	if (result.outcome == TDP_ACCESS_FAULT)
		tdp_vcpu_fault(vcpu, &result.fault, &handled);
}

static void fault(struct input *input, struct world *world)
{
	struct tdp_vcpu *vcpu = pick_vcpu(input, world);
	uint8_t bits = input_u8(input);
	enum tdp_fault_result result = TDP_FAULT_RETRY;
	struct tdp_fault exit = {
		.gpa = read_address(input),
		.misconfig = bits & 1,
		.error_code = bits & 2 ? input_u64(input) : input_bytes(input, 2),
	};
	int err;

	if (!vcpu)
		return;
	err = tdp_vcpu_fault(vcpu, &exit, &result);
	HOLDS((err < 0) == (result == TDP_FAULT_ERROR));
	expect(err == -EHWPOISON ? 0 : err, -EINVAL, -EFAULT);
}

static void discard(struct input *input, struct world *world)
{
	struct tdp_anon *anon = world->anons[input_u8(input) % ANONS];
	uint64_t offset = read_pages(input) << TDP_PAGE_SHIFT;
	uint64_t bytes = read_pages(input) << TDP_PAGE_SHIFT;

	if (anon)
		expect(tdp_anon_discard(anon, offset, bytes), -EINVAL, -EINVAL);
}

/*
 * An invalidation by hand, with a fault in the middle, which must come to nothing. What
 * a script says changes while all of it is open.
 */
static void invalidate(struct input *input, struct world *world)
{
	uint8_t choice = input_u8(input);
	const struct tdp_backing *backing = pick_backing(world, choice);
	uint64_t pages = read_pages(input) % (1 << 20);
	struct script *script = &world->script;
	bool scripted = backing == &script->backing;
	uint64_t start = backing ? backing->hva : TDP_PAGE_SIZE;
	uint64_t end = start + (scripted ? SCRIPT_BYTES : pages << TDP_PAGE_SHIFT);

	if (start == end)
		return;
	tdp_host_invalidate_begin(world->host, start, end);
	access_memory(input, world, true);
	if (scripted) {
		script->read_only = choice & 16;
		world->read_only |= script->read_only;
		script->device = choice & 32;
		script->broken = choice & 64;
	}
	tdp_host_invalidate_end(world->host, start, end);
}

static void set_registers(struct input *input, struct world *world)
{
	struct tdp_vcpu *vcpu = pick_vcpu(input, world);
	uint8_t bits = input_u8(input);
	struct tdp_registers registers = {0}, after;
	int err;

	if (!vcpu)
		return;
	if (bits & 1) {
		registers.cr0 = input_u64(input);
		registers.cr4 = input_u64(input);
		registers.efer = input_u64(input);
	} else { /* combinations of the bits that matter */
		registers.cr0 = 1 | (bits & 2 ? 1u << 31 : 0) | (bits & 4 ? 1 << 16 : 0);
		registers.cr4 = (bits & 8 ? 1 << 5 : 0) | (bits & 16 ? 1 << 12 : 0) |
				(bits & 32 ? 3 << 20 : 0) | (bits & 8 ? 0 : 1 << 4);
		registers.efer = bits & 8 ? 0x900 : 0;
	}
	registers.cr3 = read_gfn(input) << TDP_PAGE_SHIFT;
	err = tdp_vcpu_set_registers(vcpu, &registers,
				     bits & 64 ? TDP_CHANGE_SREGS : TDP_CHANGE_GUEST);
	expect(err, -EINVAL, -EINVAL);
	tdp_vcpu_registers(vcpu, &after);
	HOLDS(err || memcmp(&registers, &after, sizeof(after)) == 0);
}

static void iterate(struct input *input, struct world *world)
{
	uint8_t bits = input_u8(input);
	uint64_t start = read_gfn(input), pages = read_pages(input), last = 0;
	struct tdp_iter *iter;
	struct tdp_entry entry;
	int err = tdp_iter_begin(world->vm, bits & 3, tdp_gfn(start), pages, bits >> 2 & 7, &iter);

	expect(err, -EINVAL, -ENOENT);
	if (err)
		return;
	for (unsigned int steps = 0; steps < 4096 && tdp_iter_next(iter, &entry); steps++) {
		HOLDS(entry.gfn.n >= last);
		HOLDS(entry.gfn.n < start + pages);
		last = entry.gfn.n;
	}
	tdp_iter_end(iter);
}

static void look(struct input *input, struct world *world)
{
	struct tdp_vcpu *vcpu = pick_vcpu(input, world);
	uint64_t gfn = read_gfn(input);
	struct tdp_host_memory usage;
	struct tdp_stats stats;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	tdp_vm_stats(world->vm, &stats);
	tdp_host_usage(world->host, &usage);
	HOLDS((unsigned int)tdp_mmu_mapped_level(world->vm, gfn & 1, tdp_gfn(gfn)) <= TDP_1G);
	tdp_trace_drain(world->vm, note_event, world);
	if (!vcpu || !tdp_vcpu_root(vcpu).n)
		return;
	out = open_memstream(&text, &size);
	HOLDS(out);
	HOLDS(tdp_dump_walk(world->host, &world->walk, tdp_vcpu_root(vcpu), gfn << TDP_PAGE_SHIFT,
			    out) == 0);
	HOLDS(tdp_dump_tables(world->host, &world->walk, tdp_vcpu_root(vcpu), 20, out) == 0);
	fclose(out);
	free(text);
}

/* A script may map less at a time than it did; no host does without an invalidation. */
static void check(struct world *world)
{
	unsigned int level = world->script.level;

	world->script.level = TDP_1G;
	tdp_vm_check(world->vm, note_violation, world);
	world->script.level = level;
}

static void call_vcpu(struct input *input, struct world *world)
{
	struct tdp_vcpu *vcpu = pick_vcpu(input, world);
	uint8_t kind = input_u8(input);

	if (!vcpu)
		return;
	if (kind & 1)
		tdp_vcpu_flush_tlb(vcpu);
	if (kind & 2)
		expect(tdp_vcpu_load_root(vcpu), 0, 0);
	if (kind & 4)
		expect(tdp_vcpu_set_smm(vcpu, kind & 8), -EINVAL, -EINVAL);
}

static void zap(struct input *input, struct world *world)
{
	uint8_t kind = input_u8(input);
	uint64_t gfn;

	switch (kind & 7) {
	case 1:
	case 7:
		tdp_mmu_zap_all_fast(world->vm);
		return;
	case 3:
		tdp_vm_set_nx_huge_pages(world->vm, kind & 8);
		return;
	case 5:
		tdp_vm_recover_nx_huge_pages(world->vm);
		return;
	default:
		break;
	}
	gfn = read_gfn(input);
	tdp_mmu_zap_range(world->vm, tdp_gfn(gfn), read_pages(input));
}

static void call(struct input *input, struct world *world)
{
	switch (input_u8(input) % 17) {
	case 0:
		make_vcpu(input, world);
		break;
	case 1:
	case 2:
		set_slot(input, world);
		break;
	case 3:
	case 4:
	case 5:
		access_memory(input, world, false);
		break;
	case 6:
		access_memory(input, world, true);
		break;
	case 7:
		fault(input, world);
		break;
	case 8:
		discard(input, world);
		break;
	case 9:
		zap(input, world);
		break;
	case 10:
		set_registers(input, world);
		break;
	case 11:
		call_vcpu(input, world);
		break;
	case 12:
		invalidate(input, world);
		break;
	case 13:
		iterate(input, world);
		look(input, world);
		break;
	case 14:
		world->failing = input_u8(input) % 32;
		break;
	case 15:
		world->script.level = input_u8(input) % (TDP_1G + 1);
		break;
	default:
		check(world);
	}
}

static void live(struct input *input, struct world *world)
{
	make_vcpu(input, world);
	for (unsigned int i = 0; i < CALLS && input_left(input); i++)
		call(input, world);
	world->failing = 0;
	check(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_of(data, size);
	struct world world = {0};
	struct tdp_host_memory usage;

	if (!make_host(&input, &world))
		return 0;
	script_begin(&world.script, tdp_host_carveout(world.host));
	make_memory(&input, &world);
	if (make_vm(&input, &world))
		live(&input, &world);
	tdp_vm_destroy(world.vm);
	for (unsigned int i = 0; i < ANONS; i++)
		tdp_anon_destroy(world.anons[i]);
	tdp_host_usage(world.host, &usage);
	HOLDS(usage.table_frames == 0 && usage.data_frames == 0);
	HOLDS(world.script.resolved == world.script.released);
	tdp_host_destroy(world.host);
	return 0;
}
