/*
 * Whole faults: the guest touches each page once; at first there are no tables.
 *
 * `bare` is what every implementation over shared tables needs: the descent, a zeroed table where
 * one is missing, and one compare-and-swap.
 *
 * `realistic` adds what a correct library needs as well:
 * - a mark, for the thread that reclaims tables, that this vCPU is inside,
 * - a check of each entry of the descent: frozen, or a huge page,
 * - an existing leaf does not change,
 * - a side record for each new table,
 * - counters of the vCPU.
 * It knows the frame of the page and has no lock, no tracepoint, no policy.
 *
 * The CPU may work on several faults at once. `single` has a fence between two faults, so it
 * measures the latency of one.
 */
#include "limits/ground.h"
#include "limits/probe.h"
#include "limits/tree.h"

enum outcome {
	FAULT_FIXED,
	FAULT_SPURIOUS,
	FAULT_HUGE, /* a huge leaf, which this fault cannot use */
	FAULT_RETRY,
};

/* A fault of one vCPU on one page. Returns whether it mapped the page. */
typedef bool fault_function(struct ground *ground, struct vcpu *vcpu, uint64_t *root,
			    uint64_t page);

#define INLINE static inline __attribute__((always_inline))

INLINE bool install(uint64_t *at, uint64_t old, uint64_t entry)
{
	return __atomic_compare_exchange_n(at, &old, entry, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

INLINE bool bare(struct ground *ground, struct vcpu *vcpu, uint64_t *root, uint64_t page)
{
	uint64_t *at = descend(ground, root, page);

	(void)vcpu;
	return at && install(at, 0, leaf_entry(page));
}

/* Links a new table at `at`, with its record; 0 if another thread was faster. */
INLINE uint64_t link_table(struct ground *ground, struct vcpu *vcpu, uint64_t *at, uint64_t old,
			   uint64_t page, unsigned int level)
{
	size_t index = ground->taken;
	uint64_t entry = table_entry(take_table(ground));
	unsigned int shift = 9 * (level - 1);

	ground->records[index] = (struct record){
		.gfn = page >> shift << shift,
		.level = level - 1,
		.thread = (uint32_t)(vcpu - ground->vcpus),
	};
	if (!install(at, old, entry))
		return 0;
	vcpu->tables++;
	return entry;
}

INLINE enum outcome set_leaf(struct vcpu *vcpu, uint64_t *at, uint64_t entry)
{
	uint64_t old = __atomic_load_n(at, __ATOMIC_RELAXED);

	if (__builtin_expect(old == ENTRY_FROZEN, 0))
		return FAULT_RETRY;
	if (old == entry)
		return FAULT_SPURIOUS;
	if (!install(at, old, entry))
		return FAULT_RETRY;
	vcpu->mapped++;
	return FAULT_FIXED;
}

INLINE enum outcome map_page(struct ground *ground, struct vcpu *vcpu, uint64_t *table,
			     uint64_t page)
{
#pragma GCC unroll 3
	for (unsigned int level = 4; level > 1; level--) {
		uint64_t *at = entry_at(table, page, level);
		uint64_t entry = __atomic_load_n(at, __ATOMIC_ACQUIRE);

		if (__builtin_expect(!(entry & ENTRY_PRESENT), 0)) {
			if (entry == ENTRY_FROZEN)
				return FAULT_RETRY;
			entry = link_table(ground, vcpu, at, entry, page, level);
			if (!entry)
				return FAULT_RETRY;
		}
		if (__builtin_expect(entry & ENTRY_LARGE, 0))
			return FAULT_HUGE;
		table = table_below(entry);
	}
	return set_leaf(vcpu, entry_at(table, page, 1), leaf_entry(page));
}

INLINE bool realistic(struct ground *ground, struct vcpu *vcpu, uint64_t *root, uint64_t page)
{
	enum outcome outcome;

	__atomic_store_n(&vcpu->epoch, __atomic_load_n(&ground->epoch, __ATOMIC_RELAXED) | 1,
			 __ATOMIC_RELAXED);
	/* No fence here: the reclaiming thread makes one on all CPUs by membarrier(2). */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	outcome = map_page(ground, vcpu, root, page);
	__atomic_store_n(&vcpu->epoch, 0, __ATOMIC_RELEASE);
	return outcome == FAULT_FIXED;
}

/* No later instruction begins before all earlier ones have ended. */
INLINE void serialise(void)
{
#if defined(__x86_64__)
	__asm__ __volatile__("lfence" : : : "memory");
#elif defined(__aarch64__)
	__asm__ __volatile__("dsb ish\n\tisb" : : : "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

INLINE bool single(struct ground *ground, struct vcpu *vcpu, uint64_t *root, uint64_t page)
{
	bool fixed = realistic(ground, vcpu, root, page);

	serialise();
	return fixed;
}

/*
 * The compiler makes a loop for each fault function. HIDE() keeps it from reading the upper levels
 * once for many pages.
 */
INLINE uint64_t in_turn(struct ground *ground, unsigned int thread, uint64_t first, uint64_t count,
			fault_function *fault)
{
	struct vcpu *vcpu = &ground->vcpus[thread];
	uint64_t *root = tree_root(ground);

	for (uint64_t page = first; page < first + count; page++) {
		HIDE(root);
		if (!fault(ground, vcpu, root, page))
			return 0;
	}
	return count;
}

INLINE uint64_t in_no_order(struct ground *ground, fault_function *fault)
{
	uint64_t *root = tree_root(ground);
	const uint32_t *order = ground->order;

	for (uint64_t i = 0; i < ground->pages; i++) {
		HIDE(root);
		if (!fault(ground, &ground->vcpus[0], root, order[i]))
			return 0;
	}
	return ground->pages;
}

static uint64_t bare_seq(struct ground *ground, unsigned int thread)
{
	return in_turn(ground, thread, 0, ground->pages, bare);
}

static uint64_t bare_random(struct ground *ground, unsigned int thread)
{
	(void)thread;
	return in_no_order(ground, bare);
}

static uint64_t realistic_seq(struct ground *ground, unsigned int thread)
{
	return in_turn(ground, thread, 0, ground->pages, realistic);
}

static uint64_t realistic_random(struct ground *ground, unsigned int thread)
{
	(void)thread;
	return in_no_order(ground, realistic);
}

static uint64_t single_seq(struct ground *ground, unsigned int thread)
{
	return in_turn(ground, thread, 0, ground->pages, single);
}

static uint64_t single_random(struct ground *ground, unsigned int thread)
{
	(void)thread;
	return in_no_order(ground, single);
}

/*
 * Limit of faults without contention: two vCPUs in one tree whose tables exist, each in its half.
 */
static uint64_t built(struct ground *ground, unsigned int thread)
{
	uint64_t half = ground->pages / 2;

	return in_turn(ground, thread, thread * half, half, realistic);
}

static int begin_empty(struct ground *ground)
{
	tree_clear(ground);
	return 0;
}

static int begin_built(struct ground *ground)
{
	tree_build(ground);
	return 0;
}

#define FAULT(text, function)                                                                      \
	{                                                                                          \
		.name = #function, .what = text, .unit = "fault", .prepare = begin_empty,          \
		.loop = function                                                                   \
	}
#define BUILT(text, number)                                                                        \
	{                                                                                          \
		.name = "built_" #number, .what = text, .unit = "fault", .prepare = begin_built,   \
		.loop = built, .threads = number                                                   \
	}

static const struct probe probes[] = {
	FAULT("walk, table, compare-and-swap, page after page", bare_seq),
	FAULT("the same, in random order", bare_random),
	FAULT("with mark, checks, records, counters, page after page", realistic_seq),
	FAULT("the same, in random order", realistic_random),
	FAULT("realistic, one at a time, page after page", single_seq),
	FAULT("the same, in random order", single_random),
	BUILT("realistic, tables built, one thread", 1),
	BUILT("the same, two threads, each in its half", 2),
};

const struct part part_fault = {
	.name = "fault",
	.what = "a whole 4K fault",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
