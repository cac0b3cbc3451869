/*
 * Formats events as the kernel prints them
 *
 * The formats are those of Linux arch/x86/kvm/mmu/mmutrace.h and
 * arch/x86/kvm/trace.h (TP_printk), the same from 6.1 to 6.12. The moments at
 * which the kernel has no tracepoint are written as a kprobe there would be, and
 * named after the probe.
 *
 * The kernel's "%#x" prints "0x" before a zero, too; the C library's does not, so
 * the prefix is always written out here.
 */
#include <tdpsim/trace.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *tdp_trace_name(enum tdp_trace_kind kind)
{
	static const char *const names[TDP_TRACE_KINDS] = {
		[TDP_TRACE_PAGE_FAULT] = "kvm_page_fault",
		[TDP_TRACE_FAST_PAGE_FAULT] = "fast_page_fault",
		[TDP_TRACE_SPTE_REQUESTED] = "kvm_mmu_spte_requested",
		[TDP_TRACE_GET_PAGE] = "kvm_mmu_get_page",
		[TDP_TRACE_PREPARE_ZAP_PAGE] = "kvm_mmu_prepare_zap_page",
		[TDP_TRACE_SPTE_CHANGED] = "kvm_tdp_mmu_spte_changed",
		[TDP_TRACE_SET_SPTE] = "kvm_mmu_set_spte",
		[TDP_TRACE_SPLIT_HUGE_PAGE] = "kvm_mmu_split_huge_page",
		[TDP_TRACE_MARK_MMIO_SPTE] = "mark_mmio_spte",
		[TDP_TRACE_CHECK_MMIO_SPTE] = "check_mmio_spte",
		[TDP_TRACE_HANDLE_MMIO_PAGE_FAULT] = "handle_mmio_page_fault",
		[TDP_TRACE_ZAP_ALL_FAST] = "kvm_mmu_zap_all_fast",
		[TDP_TRACE_UNMAP_HVA_RANGE] = "kvm_unmap_hva_range",
		[TDP_TRACE_DIRTY_RING_PUSH] = "kvm_dirty_ring_push",
		[TDP_TRACE_DIRTY_RING_RESET] = "kvm_dirty_ring_reset",
		[TDP_TRACE_AGE_HVA] = "kvm_age_hva",
		[TDP_TRACE_TEST_AGE_HVA] = "kvm_test_age_hva",
		[TDP_TRACE_DIRTY_RING_EXIT] = "kvm_dirty_ring_exit",
		[TDP_TRACE_FAULT_RETURN] = "ret_tdp_page_fault",
		[TDP_TRACE_FLUSH] = "flush_all",
		[TDP_TRACE_LOAD_ROOT] = "load_pgd",
		[TDP_TRACE_MARK_DIRTY] = "mark_dirty",
	};

	return (unsigned int)kind < TDP_TRACE_KINDS ? names[kind] : NULL;
}

/* Text that grows; counts what would not fit, as snprintf() does. */
struct text {
	char *buffer;
	size_t size;
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	size_t left = text->length < text->size ? text->size - text->length : 0;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(left ? text->buffer + text->length : NULL, left, format, arguments);
	va_end(arguments);
	if (length > 0)
		text->length += (size_t)length;
}

/* Where a role word has its fields: Linux union kvm_mmu_page_role, arch/x86/include/asm/kvm_host.h.
 */
struct role_fields {
	unsigned int access_bits, invalid, efer_nx;
	const char *
		access_letters[2]; /* for each access bit: when clear, when set; printed in order */
	unsigned int access_order[4]; /* the bits, as they are printed */
};

static const struct role_fields role_until_7_1 = {3, 11, 12, {"---", "wux"}, {1, 2, 0}};
static const struct role_fields role_since_7_2 = {4, 12, 13, {"----", "rwux"}, {0, 1, 2, 3}};

static unsigned int role_bits(uint32_t role, unsigned int first, unsigned int count)
{
	return role >> first & ((1U << count) - 1);
}

static void put_access(struct text *text, const struct role_fields *fields, unsigned int access)
{
	for (unsigned int i = 0; i < fields->access_bits; i++)
		put(text, "%c", fields->access_letters[access >> fields->access_order[i] & 1][i]);
}

/* KVM_MMU_PAGE_PRINTK() */
static void put_page(struct text *text, const struct tdp_trace_event *event)
{
	const struct tdp_trace_page *page = &event->page;
	const struct role_fields *fields =
		event->layout == TDP_ENTRY_LAYOUT_7_2 ? &role_since_7_2 : &role_until_7_1;
	uint32_t role = page->role;

	put(text, "sp gen %u gfn %" PRIx64 " l%u %u-byte q%u%s ", page->generation, page->gfn,
	    role_bits(role, 0, 4), role_bits(role, 4, 1) ? 4 : 8, role_bits(role, 5, 2),
	    role_bits(role, 7, 1) ? " direct" : "");
	put_access(text, fields, role_bits(role, 8, fields->access_bits));
	put(text, "%s %snxe %sad root %u sync",
	    role_bits(role, fields->invalid, 1) ? " invalid" : "",
	    role_bits(role, fields->efer_nx, 1) ? "" : "!", role_bits(role, 16, 1) ? "!" : "",
	    page->root_count);
}

/* __print_flags() over kvm_mmu_trace_pferr_flags: names in the kernel's order, the rest in hex. */
struct error_name {
	uint64_t bit;
	const char *name;
	bool since_7_2; /* until then printed in hex */
};

static const struct error_name error_names[] = {
	{0x1, "P", false},  {0x2, "W", false},	   {0x4, "U", false},	 {0x20, "PK", true},
	{0x40, "SS", true}, {0x8000, "SGX", true}, {0x8, "RSVD", false}, {0x10, "F", false},
};

static void put_error_code(struct text *text, uint64_t error_code, enum tdp_entry_layout layout)
{
	const char *between = "";

	for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++) {
		const struct error_name *named = &error_names[i];

		if (!(error_code & named->bit) ||
		    (named->since_7_2 && layout != TDP_ENTRY_LAYOUT_7_2))
			continue;
		put(text, "%s%s", between, named->name);
		between = "|";
		error_code &= ~named->bit;
	}
	if (error_code)
		put(text, "%s0x%" PRIx64, between, error_code);
}

static void put_fast_page_fault(struct text *text, const struct tdp_trace_event *event)
{
	uint64_t error_code = event->fast_page_fault.error_code;

	put(text, "vcpu %d gva %" PRIx64 " error_code ", event->vcpu,
	    event->fast_page_fault.address);
	put_error_code(text, event->fast_page_fault.narrow ? (uint32_t)error_code : error_code,
		       event->layout);
	put(text, " sptep %016" PRIx64 " old 0x%" PRIx64 " new %" PRIx64 " spurious %d fixed %d",
	    event->fast_page_fault.entry_at, event->fast_page_fault.old_entry,
	    event->fast_page_fault.new_entry, event->fast_page_fault.spurious,
	    event->fast_page_fault.fixed);
}

static void put_set_spte(struct text *text, const struct tdp_trace_event *event)
{
	put(text, "gfn %" PRIx64 " spte %" PRIx64 " (%s%s%s%s) level %d at %" PRIx64,
	    event->set_spte.gfn, event->set_spte.entry, event->set_spte.readable ? "r" : "-",
	    event->set_spte.writable ? "w" : "-", event->set_spte.executable ? "x" : "-",
	    event->set_spte.user ? "u" : "-", event->set_spte.level, event->set_spte.entry_at);
}

static void put_mmio(struct text *text, const struct tdp_trace_event *event)
{
	switch (event->kind) {
	case TDP_TRACE_MARK_MMIO_SPTE:
		put(text, "sptep:%016" PRIx64 " gfn %" PRIx64 " access %x gen %x",
		    event->mark_mmio.entry_at, event->mark_mmio.gfn, event->mark_mmio.access,
		    event->mark_mmio.generation);
		break;
	case TDP_TRACE_CHECK_MMIO_SPTE:
		put(text, "spte %" PRIx64 " kvm_gen %x spte-gen %x valid %d",
		    event->check_mmio.entry, event->check_mmio.vm_generation,
		    event->check_mmio.entry_generation, event->check_mmio.valid);
		break;
	default:
		put(text, "addr:%" PRIx64 " gfn %" PRIx64 " access %x", event->handle_mmio.address,
		    event->handle_mmio.gfn, event->handle_mmio.access);
	}
}

/* Changes of the process's own memory. %#016lx prints 0x and 14 digits. */
static void put_notified(struct text *text, const struct tdp_trace_event *event)
{
	switch (event->kind) {
	case TDP_TRACE_UNMAP_HVA_RANGE:
		put(text, "mmu notifier unmap range: 0x%014" PRIx64 " -- 0x%014" PRIx64,
		    event->unmap_hva.start, event->unmap_hva.end);
		break;
	case TDP_TRACE_AGE_HVA:
		put(text, "mmu notifier age hva: 0x%014" PRIx64 " -- 0x%014" PRIx64,
		    event->age_hva.start, event->age_hva.end);
		break;
	default:
		put(text, "mmu notifier test age hva: 0x%014" PRIx64, event->test_age_hva.hva);
	}
}

/* Events without a tracepoint in the kernel, as the line of a kprobe. */
static void put_probe(struct text *text, const struct tdp_trace_event *event)
{
	switch (event->kind) {
	case TDP_TRACE_FAULT_RETURN:
		put(text, "(kvm_tdp_page_fault) ret=%d", event->fault_return.result);
		break;
	case TDP_TRACE_FLUSH:
		if (event->flush.pages)
			put(text, "(kvm_flush_remote_tlbs_range) gfn=0x%" PRIx64 " n=%" PRIu64,
			    event->flush.gfn, event->flush.pages);
		else
			put(text, "(kvm_flush_remote_tlbs)");
		break;
	case TDP_TRACE_LOAD_ROOT:
		put(text, "(load_mmu_pgd) root=0x%" PRIx64 " level=%u", event->load_root.root,
		    event->load_root.level);
		break;
	default:
		put(text, "(mark_page_dirty_in_slot) gfn=0x%" PRIx64, event->mark_dirty.gfn);
	}
}

/* Linux include/trace/events/kvm.h: slot and offset belong to a push only. */
static void put_dirty_ring(struct text *text, const struct tdp_trace_event *event)
{
	uint32_t dirty = event->dirty_ring.dirty, reset = event->dirty_ring.reset;

	put(text, "ring %u: dirty 0x%" PRIx32 " reset 0x%" PRIx32, event->dirty_ring.ring, dirty,
	    reset);
	if (event->kind == TDP_TRACE_DIRTY_RING_PUSH)
		put(text, " slot %" PRIu32 " offset 0x%" PRIx64, event->dirty_ring.slot,
		    event->dirty_ring.offset);
	put(text, " (used %" PRIu32 ")", dirty - reset);
}

static void put_event(struct text *text, const struct tdp_trace_event *event)
{
	switch (event->kind) {
	case TDP_TRACE_PAGE_FAULT:
		put(text,
		    "vcpu %d rip 0x%" PRIx64 " address 0x%016" PRIx64 " error_code 0x%" PRIx64,
		    event->vcpu, event->page_fault.rip, event->page_fault.address,
		    event->page_fault.error_code);
		break;
	case TDP_TRACE_FAST_PAGE_FAULT:
		put_fast_page_fault(text, event);
		break;
	case TDP_TRACE_SPTE_REQUESTED:
		put(text, "gfn %" PRIx64 " pfn %" PRIx64 " level %d", event->spte_requested.gfn,
		    event->spte_requested.pfn, event->spte_requested.level);
		if (event->layout == TDP_ENTRY_LAYOUT_7_2)
			put(text, " access %x", event->spte_requested.access);
		break;
	case TDP_TRACE_GET_PAGE:
		put_page(text, event);
		put(text, event->page.created ? " new" : " existing");
		break;
	case TDP_TRACE_PREPARE_ZAP_PAGE:
		put_page(text, event);
		break;
	case TDP_TRACE_SPTE_CHANGED:
		put(text,
		    "as id %d gfn %" PRIx64 " level %d old_spte %" PRIx64 " new_spte %" PRIx64,
		    event->spte_changed.address_space, event->spte_changed.gfn,
		    event->spte_changed.level, event->spte_changed.old_entry,
		    event->spte_changed.new_entry);
		break;
	case TDP_TRACE_SET_SPTE:
		put_set_spte(text, event);
		break;
	case TDP_TRACE_SPLIT_HUGE_PAGE:
		put(text, "gfn %" PRIx64 " spte %" PRIx64 " level %d errno %d", event->split.gfn,
		    event->split.entry, event->split.level, event->split.error);
		break;
	case TDP_TRACE_MARK_MMIO_SPTE:
	case TDP_TRACE_CHECK_MMIO_SPTE:
	case TDP_TRACE_HANDLE_MMIO_PAGE_FAULT:
		put_mmio(text, event);
		break;
	case TDP_TRACE_ZAP_ALL_FAST:
		put(text, "kvm-mmu-valid-gen %u used_pages %x", event->zap_all_fast.generation,
		    event->zap_all_fast.used_pages);
		break;
	case TDP_TRACE_UNMAP_HVA_RANGE:
	case TDP_TRACE_AGE_HVA:
	case TDP_TRACE_TEST_AGE_HVA:
		put_notified(text, event);
		break;
	case TDP_TRACE_DIRTY_RING_PUSH:
	case TDP_TRACE_DIRTY_RING_RESET:
		put_dirty_ring(text, event);
		break;
	case TDP_TRACE_DIRTY_RING_EXIT:
		put(text, "vcpu %d", event->vcpu);
		break;
	case TDP_TRACE_FAULT_RETURN:
	case TDP_TRACE_FLUSH:
	case TDP_TRACE_LOAD_ROOT:
	case TDP_TRACE_MARK_DIRTY:
		put_probe(text, event);
		break;
	case TDP_TRACE_KINDS:
		break;
	}
}

int tdp_trace_text(const struct tdp_trace_event *event, char *buffer, size_t size)
{
	struct text text = {.buffer = buffer, .size = size};

	if (size)
		buffer[0] = '\0';
	put_event(&text, event);
	return (int)text.length;
}
