/*
 * Tracepoints. The texts are lines of real kernels (6.1, 6.12 and 7.3, NPT and EPT), so a parser
 * of those parses ours.
 */
#include "observe/tracepoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "platform/actor.h"

static const char *text_of(struct tdp_trace_event event)
{
	static char text[512];
	int length = tdp_trace_text(&event, text, sizeof(text));

	assert_int_equal(length, strlen(text));
	return text;
}

static void page_faults_read_as_the_kernels(void **state)
{
	struct tdp_trace_event event = {
		.kind = TDP_TRACE_PAGE_FAULT,
		.vcpu = 3,
		.page_fault = {.rip = 0x101b, .address = 0x101b, .error_code = 0x100000014},
	};

	(void)state;
	assert_string_equal(text_of(event),
			    "vcpu 3 rip 0x101b address 0x000000000000101b error_code 0x100000014");
}

static struct tdp_trace_event fast_fault(uint64_t error_code, bool narrow)
{
	return (struct tdp_trace_event){
		.kind = TDP_TRACE_FAST_PAGE_FAULT,
		.fast_page_fault = {.address = 0x40201000,
				    .error_code = error_code,
				    .narrow = narrow,
				    .entry_at = 0xffff888141d3f008,
				    .old_entry = 0x100201e65,
				    .new_entry = 0x100201e67,
				    .fixed = true},
	};
}

static void fast_page_faults_name_the_bits_of_their_error_code(void **state)
{
	(void)state;
	assert_string_equal(text_of(fast_fault(0x100000007, false)),
			    "vcpu 0 gva 40201000 error_code P|W|U|0x100000000 sptep "
			    "ffff888141d3f008 old 0x100201e65 new 100201e67 spurious 0 fixed 1");
	assert_string_equal(text_of(fast_fault(0x100000007, true)),
			    "vcpu 0 gva 40201000 error_code P|W|U sptep ffff888141d3f008 "
			    "old 0x100201e65 new 100201e67 spurious 0 fixed 1");
	assert_non_null(strstr(text_of(fast_fault(0x1f, false)), " P|W|U|RSVD|F sptep"));
	assert_non_null(strstr(text_of(fast_fault(0, false)), "error_code  sptep"));
	assert_non_null(strstr(text_of(fast_fault(0x300000000, false)), " 0x300000000 sptep"));
}

static void a_zero_entry_keeps_its_prefix(void **state)
{
	struct tdp_trace_event event = {
		.kind = TDP_TRACE_FAST_PAGE_FAULT,
		.fast_page_fault = {.address = 0x101b,
				    .error_code = 0x10,
				    .entry_at = 0xffff888017f6c000},
	};

	(void)state;
	assert_string_equal(text_of(event),
			    "vcpu 0 gva 101b error_code F sptep ffff888017f6c000 old 0x0 new 0 "
			    "spurious 0 fixed 0");
}

static void page_requests_and_entry_changes_read_as_the_kernels(void **state)
{
	struct tdp_trace_event requested = {
		.kind = TDP_TRACE_SPTE_REQUESTED,
		.spte_requested = {.gfn = 0x52345, .pfn = 0x112345, .level = 3},
	};
	struct tdp_trace_event changed = {
		.kind = TDP_TRACE_SPTE_CHANGED,
		.spte_changed = {.gfn = 0,
				 .level = 4,
				 .old_entry = 0x8000000000000000,
				 .new_entry = 0x8000000016816907},
	};

	(void)state;
	assert_string_equal(text_of(requested), "gfn 52345 pfn 112345 level 3");
	assert_string_equal(text_of(changed), "as id 0 gfn 0 level 4 old_spte 8000000000000000 "
					      "new_spte 8000000016816907");
	changed.spte_changed.address_space = 1;
	assert_non_null(strstr(text_of(changed), "as id 1 gfn"));
}

static struct tdp_trace_event page_event(enum tdp_trace_kind kind, uint32_t role)
{
	return (struct tdp_trace_event){
		.kind = kind,
		.page = {.gfn = 0x40200, .role = role, .created = true},
	};
}

static void page_tables_show_their_role(void **state)
{
	struct tdp_trace_event event;

	(void)state;
	/* 0x3784 is what a 6.12 kernel records for a root of four levels. */
	assert_string_equal(text_of(page_event(TDP_TRACE_GET_PAGE, 0x3784)),
			    "sp gen 0 gfn 40200 l4 8-byte q0 direct wux nxe ad root 0 sync new");
	assert_string_equal(text_of(page_event(TDP_TRACE_PREPARE_ZAP_PAGE, 0x13781)),
			    "sp gen 0 gfn 40200 l1 8-byte q0 direct wux nxe !ad root 0 sync");
	/* The opposite of each field: 4-byte, quadrant 2, -u-, invalid, !nxe. */
	event = page_event(TDP_TRACE_GET_PAGE, 1 << 4 | 2 << 5 | 4 << 8 | 1 << 11 | 2);
	event.page.created = false;
	event.page.generation = 1;
	event.page.root_count = 7;
	assert_string_equal(
		text_of(event),
		"sp gen 1 gfn 40200 l2 4-byte q2 -u- invalid !nxe ad root 7 sync existing");
}

static struct tdp_trace_event in_7_2(struct tdp_trace_event event)
{
	event.layout = TDP_ENTRY_LAYOUT_7_2;
	return event;
}

/* The words under GMET, and of roots that are not as usual, are derived. */
static void roles_of_7_2_have_four_bits_of_access(void **state)
{
	(void)state;
	assert_string_equal(text_of(in_7_2(page_event(TDP_TRACE_GET_PAGE, 0x6f83))),
			    "sp gen 0 gfn 40200 l3 8-byte q0 direct rwux nxe ad root 0 sync new");
	assert_string_equal(text_of(in_7_2(page_event(TDP_TRACE_PREPARE_ZAP_PAGE, 0x16f81))),
			    "sp gen 0 gfn 40200 l1 8-byte q0 direct rwux nxe !ad root 0 sync");
	assert_non_null(strstr(text_of(in_7_2(page_event(TDP_TRACE_GET_PAGE, 0x106b83))),
			       " direct rw-x nxe ad "));
	assert_non_null(strstr(text_of(in_7_2(page_event(TDP_TRACE_GET_PAGE, 0x5183))),
			       " direct r--- invalid !nxe ad "));
}

static void events_of_7_2_show_access_and_more_names_of_error_bits(void **state)
{
	struct tdp_trace_event requested = {
		.kind = TDP_TRACE_SPTE_REQUESTED,
		.spte_requested = {.gfn = 0x52345, .pfn = 0x112345, .level = 3, .access = 15},
	};

	(void)state;
	assert_string_equal(text_of(in_7_2(requested)), "gfn 52345 pfn 112345 level 3 access f");
	assert_string_equal(text_of(requested), "gfn 52345 pfn 112345 level 3");
	assert_non_null(strstr(text_of(in_7_2(fast_fault(0x807f, false))),
			       " P|W|U|PK|SS|SGX|RSVD|F sptep"));
	assert_non_null(strstr(text_of(fast_fault(0x807f, false)), " P|W|U|RSVD|F|0x8060 sptep"));
}

static void set_entries_show_their_rights(void **state)
{
	struct tdp_trace_event event = {
		.kind = TDP_TRACE_SET_SPTE,
		.set_spte = {.gfn = 0x40000,
			     .entry = 0x3738825,
			     .entry_at = 0x16989c000,
			     .level = 1,
			     .readable = true,
			     .executable = true,
			     .user = true},
	};

	(void)state;
	assert_string_equal(text_of(event), "gfn 40000 spte 3738825 (r-xu) level 1 at 16989c000");
	event.set_spte.user = false;
	assert_non_null(strstr(text_of(event), "(r-x-)"));
	event.set_spte.writable = true;
	event.set_spte.readable = false;
	event.set_spte.executable = false;
	assert_non_null(strstr(text_of(event), "(-w--)"));
}

static void splits_read_as_the_kernels(void **state)
{
	struct tdp_trace_event event = {
		.kind = TDP_TRACE_SPLIT_HUGE_PAGE,
		.split = {.gfn = 0x52200, .entry = 0x112200ee5, .level = 2},
	};

	(void)state;
	assert_string_equal(text_of(event), "gfn 52200 spte 112200ee5 level 2 errno 0");
	event.split.error = -12;
	assert_non_null(strstr(text_of(event), "errno -12"));
}

static void mmio_entries_read_as_the_kernels(void **state)
{
	struct tdp_trace_event mark = {
		.kind = TDP_TRACE_MARK_MMIO_SPTE,
		.mark_mmio = {.entry_at = 0xffff888163a17000,
			      .gfn = 0x60000,
			      .access = 7,
			      .generation = 4},
	};
	struct tdp_trace_event check = {
		.kind = TDP_TRACE_CHECK_MMIO_SPTE,
		.check_mmio = {.entry = 0xf860000026, .vm_generation = 6, .entry_generation = 4},
	};
	struct tdp_trace_event handle = {
		.kind = TDP_TRACE_HANDLE_MMIO_PAGE_FAULT,
		.handle_mmio = {.address = 0x60000010, .gfn = 0x60000, .access = 6},
	};

	(void)state;
	assert_string_equal(text_of(mark), "sptep:ffff888163a17000 gfn 60000 access 7 gen 4");
	assert_string_equal(text_of(check), "spte f860000026 kvm_gen 6 spte-gen 4 valid 0");
	assert_string_equal(text_of(handle), "addr:60000010 gfn 60000 access 6");
}

static void zaps_of_roots_and_ranges_read_as_the_kernels(void **state)
{
	struct tdp_trace_event roots = {
		.kind = TDP_TRACE_ZAP_ALL_FAST,
		.zap_all_fast = {.generation = 1, .used_pages = 0x1f},
	};
	struct tdp_trace_event range = {
		.kind = TDP_TRACE_UNMAP_HVA_RANGE,
		.unmap_hva = {.start = 0, .end = 0x7f2e68200000},
	};

	(void)state;
	assert_string_equal(text_of(roots), "kvm-mmu-valid-gen 1 used_pages 1f");
	assert_string_equal(text_of(range), "mmu notifier unmap range: "
					    "0x00000000000000 -- 0x007f2e68200000");
}

static void ageings_read_as_the_kernels(void **state)
{
	struct tdp_trace_event range = {
		.kind = TDP_TRACE_AGE_HVA,
		.age_hva = {.start = 0x7f2e68200123, .end = 0x7f2e68201123},
	};
	struct tdp_trace_event test = {
		.kind = TDP_TRACE_TEST_AGE_HVA,
		.test_age_hva = {.hva = 0x7f2e68200123},
	};

	(void)state;
	assert_string_equal(tdp_trace_name(range.kind), "kvm_age_hva");
	assert_string_equal(text_of(range), "mmu notifier age hva: "
					    "0x007f2e68200123 -- 0x007f2e68201123");
	assert_string_equal(tdp_trace_name(test.kind), "kvm_test_age_hva");
	assert_string_equal(text_of(test), "mmu notifier test age hva: 0x007f2e68200123");
}

static void dirty_rings_read_as_the_kernels(void **state)
{
	struct tdp_trace_event event = {
		.kind = TDP_TRACE_DIRTY_RING_PUSH,
		.dirty_ring = {.ring = 0, .dirty = 0xa, .reset = 0x8, .slot = 1, .offset = 0x2},
	};

	(void)state;
	assert_string_equal(text_of(event),
			    "ring 0: dirty 0xa reset 0x8 slot 1 offset 0x2 (used 2)");
	/* The counts are 32 bits wide and wrap. */
	event.dirty_ring.dirty = 1;
	event.dirty_ring.reset = 0xffffffff;
	event.dirty_ring.slot = 1 << 16 | 3;
	assert_string_equal(text_of(event),
			    "ring 0: dirty 0x1 reset 0xffffffff slot 65539 offset 0x2 (used 2)");
	event = (struct tdp_trace_event){.kind = TDP_TRACE_DIRTY_RING_RESET,
					 .dirty_ring = {.ring = 3, .dirty = 8, .reset = 8}};
	assert_string_equal(text_of(event), "ring 3: dirty 0x8 reset 0x8 (used 0)");
	event = (struct tdp_trace_event){.kind = TDP_TRACE_DIRTY_RING_EXIT, .vcpu = 3};
	assert_string_equal(text_of(event), "vcpu 3");
}

static void probes_carry_their_values_as_kprobes_do(void **state)
{
	struct tdp_trace_event event = {.kind = TDP_TRACE_FAULT_RETURN,
					.fault_return = {.result = -14}};

	(void)state;
	assert_string_equal(text_of(event), "(kvm_tdp_page_fault) ret=-14");
	event = (struct tdp_trace_event){.kind = TDP_TRACE_FLUSH};
	assert_string_equal(text_of(event), "(kvm_flush_remote_tlbs)");
	event.flush.gfn = 0x40000;
	event.flush.pages = 262144;
	assert_string_equal(text_of(event), "(kvm_flush_remote_tlbs_range) gfn=0x40000 n=262144");
	event = (struct tdp_trace_event){.kind = TDP_TRACE_LOAD_ROOT,
					 .load_root = {.root = 0x16eb4a000, .level = 4}};
	assert_string_equal(text_of(event), "(load_mmu_pgd) root=0x16eb4a000 level=4");
	event = (struct tdp_trace_event){.kind = TDP_TRACE_MARK_DIRTY,
					 .mark_dirty = {.gfn = 0x40201}};
	assert_string_equal(text_of(event), "(mark_page_dirty_in_slot) gfn=0x40201");
}

static void every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < TDP_TRACE_KINDS; i++) {
		assert_non_null(tdp_trace_name((enum tdp_trace_kind)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(tdp_trace_name((enum tdp_trace_kind)i),
						tdp_trace_name((enum tdp_trace_kind)j));
	}
	assert_null(tdp_trace_name(TDP_TRACE_KINDS));
	assert_string_equal(tdp_trace_name(TDP_TRACE_SPTE_CHANGED), "kvm_tdp_mmu_spte_changed");
}

static void a_short_buffer_holds_the_beginning_and_the_length_is_told(void **state)
{
	struct tdp_trace_event event = page_event(TDP_TRACE_GET_PAGE, 0x3784);
	char whole[256], part[20] = "";
	int needed = tdp_trace_text(&event, NULL, 0);

	(void)state;
	assert_int_equal(tdp_trace_text(&event, whole, sizeof(whole)), needed);
	assert_int_equal(tdp_trace_text(&event, part, sizeof(part)), needed);
	assert_int_equal(strlen(part), sizeof(part) - 1);
	assert_memory_equal(part, whole, sizeof(part) - 1);
}

/* Rings. The gfn of an event identifies it. */

#define RING 8

struct rings {
	struct tdp_trace_event events[3][RING];
	struct trace_ring ring[3];
	struct trace_ring *list[3];
	struct tracer tracer;
	uint64_t seen[64];
	uint64_t times[64];
	size_t count;
};

static void rings_init(struct rings *rings)
{
	memset(rings, 0, sizeof(*rings));
	for (unsigned int i = 0; i < 3; i++) {
		trace_ring_init(&rings->ring[i], i, rings->events[i], RING);
		rings->list[i] = &rings->ring[i];
	}
}

static void collect(void *context, const struct tdp_trace_event *event)
{
	struct rings *rings = context;

	assert_true(rings->count < 64);
	rings->times[rings->count] = event->time;
	rings->seen[rings->count++] = event->mark_dirty.gfn;
}

static void emit(struct rings *rings, unsigned int ring, uint64_t gfn)
{
	struct tdp_trace_event event = {.kind = TDP_TRACE_MARK_DIRTY, .mark_dirty = {.gfn = gfn}};

	trace_emit(&rings->tracer, &rings->ring[ring], &event);
}

/* As emit(), at a moment of the test's choice. */
static void emit_at(struct rings *rings, unsigned int ring, uint64_t gfn, uint64_t time)
{
	struct trace_ring *into = &rings->ring[ring];

	emit(rings, ring, gfn);
	into->events[(into->written - 1) & into->mask].time = time;
}

static void one_ring_gives_its_events_in_order_and_is_empty_then(void **state)
{
	struct rings rings;

	(void)state;
	rings_init(&rings);
	for (uint64_t i = 0; i < 5; i++)
		emit(&rings, 1, i);
	assert_int_equal(trace_rings_drain(rings.list, 3, collect, &rings), 0);
	assert_int_equal(rings.count, 5);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(rings.seen[i], i);
	for (uint64_t i = 1; i < 5; i++)
		assert_true(rings.times[i] >= rings.times[i - 1]);
	assert_int_equal(trace_rings_drain(rings.list, 3, collect, &rings), 0);
	assert_int_equal(rings.count, 5);
}

static void a_full_ring_overwrites_its_oldest_and_counts_them(void **state)
{
	struct rings rings;

	(void)state;
	rings_init(&rings);
	for (uint64_t i = 0; i < RING + 3; i++)
		emit(&rings, 0, i);
	emit(&rings, 2, 100);
	assert_int_equal(trace_rings_drain(rings.list, 3, collect, &rings), 3);
	assert_int_equal(rings.count, RING + 1);
	assert_int_equal(rings.seen[0], 3);
	assert_int_equal(rings.seen[RING - 1], RING + 2);

	/* And it begins anew. */
	emit(&rings, 0, 7);
	assert_int_equal(trace_rings_drain(rings.list, 3, NULL, NULL), 0);
}

static void rings_are_merged_by_time_and_ties_by_number(void **state)
{
	static const uint64_t expected[] = {20, 10, 0, 11, 1, 21, 22, 2, 23};
	struct rings rings;

	(void)state;
	rings_init(&rings);
	emit_at(&rings, 0, 0, 30);
	emit_at(&rings, 0, 1, 40);
	emit_at(&rings, 0, 2, 90);
	emit_at(&rings, 1, 10, 20);
	emit_at(&rings, 1, 11, 35);
	emit_at(&rings, 2, 20, 10);
	emit_at(&rings, 2, 21, 40);
	emit_at(&rings, 2, 22, 50);
	emit_at(&rings, 2, 23, 90);
	assert_int_equal(trace_rings_drain(rings.list, 3, collect, &rings), 0);
	assert_int_equal(rings.count, 9);
	for (size_t i = 0; i < rings.count; i++)
		assert_int_equal(rings.seen[i], expected[i]);
}

static void time_never_goes_backwards_within_a_ring(void **state)
{
	struct rings rings;

	(void)state;
	rings_init(&rings);
	rings.ring[0].last_time = UINT64_MAX - 1; /* as read on a CPU that is ahead */
	emit(&rings, 0, 1);
	trace_rings_drain(rings.list, 3, collect, &rings);
	assert_int_equal(rings.times[0], UINT64_MAX - 1);
}

static void nothing_is_traced_without_sink_and_ring(void **state)
{
	struct rings rings;
	struct trace_ring none = {0};

	(void)state;
	rings_init(&rings);
	assert_false(tracing(&rings.tracer, &none));
	assert_false(tracing(&rings.tracer, NULL));
	assert_true(tracing(&rings.tracer, &rings.ring[0]));
	rings.tracer.sink = collect;
	assert_true(tracing(&rings.tracer, NULL));
	assert_true(tracing(&rings.tracer, &none));
}

static void the_sink_sees_each_event_at_once_and_with_its_time(void **state)
{
	struct rings rings;
	struct tdp_trace_event event = {.kind = TDP_TRACE_MARK_DIRTY, .mark_dirty = {.gfn = 5}};

	(void)state;
	rings_init(&rings);
	rings.tracer = (struct tracer){.sink = collect, .context = &rings};
	emit(&rings, 0, 4);
	trace_emit(&rings.tracer, NULL, &event);
	assert_int_equal(rings.count, 2);
	assert_int_equal(rings.seen[0], 4);
	assert_int_equal(rings.seen[1], 5);
	assert_true(rings.times[0] > 0 && rings.times[1] >= rings.times[0]);
}

#define WRITERS 4
#define WRITES	256

struct shared_writers {
	struct tracer tracer;
	struct shared_ring shared;
	struct tdp_trace_event events[WRITERS * WRITES];
	uint64_t next[WRITERS];
	bool disorder;
	uint64_t count;
};

static int write_shared(struct actor *actor)
{
	struct shared_writers *writers = actor->arg;

	for (uint64_t i = 0; i < WRITES; i++) {
		struct tdp_trace_event event = {.kind = TDP_TRACE_MARK_DIRTY,
						.vcpu = actor->name[0] - '0',
						.mark_dirty = {.gfn = i}};

		trace_emit_shared(&writers->tracer, &writers->shared, &event);
	}
	return 0;
}

static void each_writer_in_order(void *context, const struct tdp_trace_event *event)
{
	struct shared_writers *writers = context;

	writers->count++;
	if (event->mark_dirty.gfn != writers->next[event->vcpu]++)
		writers->disorder = true;
}

static void a_shared_ring_keeps_what_several_write_at_once(void **state)
{
	static const char *const names[WRITERS] = {"0", "1", "2", "3"};
	static struct shared_writers writers;
	struct actor actors[WRITERS];
	struct trace_ring *list[] = {&writers.shared.ring};

	(void)state;
	trace_ring_init(&writers.shared.ring, 0, writers.events, WRITERS * WRITES);
	for (int i = 0; i < WRITERS; i++)
		actors[i] = (struct actor){
			.name = names[i], .body = write_shared, .arg = &writers, .cpu = -1};
	assert_int_equal(actor_run_all(actors, WRITERS), 0);
	assert_int_equal(trace_rings_drain(list, 1, each_writer_in_order, &writers), 0);
	assert_int_equal(writers.count, WRITERS * WRITES);
	assert_false(writers.disorder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_faults_read_as_the_kernels),
		cmocka_unit_test(fast_page_faults_name_the_bits_of_their_error_code),
		cmocka_unit_test(a_zero_entry_keeps_its_prefix),
		cmocka_unit_test(page_requests_and_entry_changes_read_as_the_kernels),
		cmocka_unit_test(page_tables_show_their_role),
		cmocka_unit_test(roles_of_7_2_have_four_bits_of_access),
		cmocka_unit_test(events_of_7_2_show_access_and_more_names_of_error_bits),
		cmocka_unit_test(set_entries_show_their_rights),
		cmocka_unit_test(splits_read_as_the_kernels),
		cmocka_unit_test(mmio_entries_read_as_the_kernels),
		cmocka_unit_test(zaps_of_roots_and_ranges_read_as_the_kernels),
		cmocka_unit_test(ageings_read_as_the_kernels),
		cmocka_unit_test(dirty_rings_read_as_the_kernels),
		cmocka_unit_test(probes_carry_their_values_as_kprobes_do),
		cmocka_unit_test(every_kind_has_a_name_of_its_own),
		cmocka_unit_test(a_short_buffer_holds_the_beginning_and_the_length_is_told),
		cmocka_unit_test(one_ring_gives_its_events_in_order_and_is_empty_then),
		cmocka_unit_test(a_full_ring_overwrites_its_oldest_and_counts_them),
		cmocka_unit_test(rings_are_merged_by_time_and_ties_by_number),
		cmocka_unit_test(time_never_goes_backwards_within_a_ring),
		cmocka_unit_test(nothing_is_traced_without_sink_and_ring),
		cmocka_unit_test(the_sink_sees_each_event_at_once_and_with_its_time),
		cmocka_unit_test(a_shared_ring_keeps_what_several_write_at_once),
	};

	return cmocka_run_group_tests_name("observe/trace", tests, NULL, NULL);
}
