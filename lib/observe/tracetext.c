/*
 * Formats events as the kernel prints them
 *
 * Each kind of event is a row: its name, and the pieces of its text in order. A piece is literal
 * text and the field that follows it; a function writes the few fields that are no plain number.
 *
 * The formats are those of Linux arch/x86/kvm/mmu/mmutrace.h and arch/x86/kvm/trace.h
 * (TP_printk), 6.1 to 7.3; a piece that 7.2 added says so. A moment at which the kernel has no
 * tracepoint is written as a kprobe there would be, and named after the probe.
 *
 * The kernel's "%#x" prints "0x" before a zero, too; the C library's does not, so the prefix is
 * a part of the literal text.
 */
#include <tdpsim/trace.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

static bool since_7_2(const struct tdp_trace_event *event)
{
	return event->layout == TDP_ENTRY_LAYOUT_7_2;
}

/* Where a role word has its fields (Linux union kvm_mmu_page_role, asm/kvm_host.h). */
struct role_fields {
	unsigned int access_bits, invalid, efer_nx;
	const char *access_letters[2]; /* in the order of print: a clear bit's, a set bit's */
	unsigned int access_order[4];  /* the access bits in that order */
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
	const struct role_fields *fields = since_7_2(event) ? &role_since_7_2 : &role_until_7_1;
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

static void put_error_code(struct text *text, const struct tdp_trace_event *event)
{
	uint64_t error_code = event->fast_page_fault.error_code;
	const char *between = "";

	if (event->fast_page_fault.narrow)
		error_code = (uint32_t)error_code;
	for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++) {
		const struct error_name *named = &error_names[i];

		if (!(error_code & named->bit) || (named->since_7_2 && !since_7_2(event)))
			continue;
		put(text, "%s%s", between, named->name);
		between = "|";
		error_code &= ~named->bit;
	}
	if (error_code)
		put(text, "%s0x%" PRIx64, between, error_code);
}

static void put_rights(struct text *text, const struct tdp_trace_event *event)
{
	put(text, "%s%s%s%s", event->set_spte.readable ? "r" : "-",
	    event->set_spte.writable ? "w" : "-", event->set_spte.executable ? "x" : "-",
	    event->set_spte.user ? "u" : "-");
}

static void put_created(struct text *text, const struct tdp_trace_event *event)
{
	put(text, event->page.created ? "new" : "existing");
}

static void put_ring_used(struct text *text, const struct tdp_trace_event *event)
{
	put(text, "%" PRIu32, event->dirty_ring.dirty - event->dirty_ring.reset);
}

static void put_flush(struct text *text, const struct tdp_trace_event *event)
{
	if (event->flush.pages)
		put(text, "_range) gfn=0x%" PRIx64 " n=%" PRIu64, event->flush.gfn,
		    event->flush.pages);
	else
		put(text, ")");
}

enum form {
	FORM_LITERAL, /* no field */
	FORM_SIGNED,
	FORM_UNSIGNED,
	FORM_HEX,
	FORM_FUNCTION,
};

struct piece {
	const char *before; /* NULL: behind the last piece */
	enum form form;
	unsigned int width; /* hex: at least so many digits */
	size_t offset, size;
	void (*put)(struct text *text, const struct tdp_trace_event *event);
	bool since_7_2; /* absent until then */
};

#define PIECES 8

struct row {
	const char *name;
	struct piece pieces[PIECES + 1];
};

#define FIELD(literal, how, field)                                                                 \
	.before = literal, .form = how, .offset = offsetof(struct tdp_trace_event, field),         \
	.size = sizeof(((struct tdp_trace_event *)NULL)->field)

#define SIGNED(literal, field)                                                                     \
	{                                                                                          \
		FIELD(literal, FORM_SIGNED, field)                                                 \
	}
#define UNSIGNED(literal, field)                                                                   \
	{                                                                                          \
		FIELD(literal, FORM_UNSIGNED, field)                                               \
	}
#define HEX(literal, field)                                                                        \
	{                                                                                          \
		FIELD(literal, FORM_HEX, field), .width = 1                                        \
	}
#define HEX_OF(digits, literal, field)                                                             \
	{                                                                                          \
		FIELD(literal, FORM_HEX, field), .width = digits                                   \
	}
#define HEX_7_2(literal, field)                                                                    \
	{                                                                                          \
		FIELD(literal, FORM_HEX, field), .width = 1, .since_7_2 = true                     \
	}
#define FUNCTION(literal, function)                                                                \
	{                                                                                          \
		.before = literal, .form = FORM_FUNCTION, .put = function                          \
	}
#define LITERAL(literal)                                                                           \
	{                                                                                          \
		.before = literal                                                                  \
	}

/* The notifiers' "%#016lx" prints 0x and 14 digits. */
static const struct row rows[TDP_TRACE_KINDS] = {
	[TDP_TRACE_PAGE_FAULT] = {"kvm_page_fault",
				  {SIGNED("vcpu ", vcpu), HEX(" rip 0x", page_fault.rip),
				   HEX_OF(16, " address 0x", page_fault.address),
				   HEX(" error_code 0x", page_fault.error_code)}},
	[TDP_TRACE_FAST_PAGE_FAULT] = {"fast_page_fault",
				       {SIGNED("vcpu ", vcpu),
					HEX(" gva ", fast_page_fault.address),
					FUNCTION(" error_code ", put_error_code),
					HEX_OF(16, " sptep ", fast_page_fault.entry_at),
					HEX(" old 0x", fast_page_fault.old_entry),
					HEX(" new ", fast_page_fault.new_entry),
					UNSIGNED(" spurious ", fast_page_fault.spurious),
					UNSIGNED(" fixed ", fast_page_fault.fixed)}},
	[TDP_TRACE_SPTE_REQUESTED] = {"kvm_mmu_spte_requested",
				      {HEX("gfn ", spte_requested.gfn),
				       HEX(" pfn ", spte_requested.pfn),
				       UNSIGNED(" level ", spte_requested.level),
				       HEX_7_2(" access ", spte_requested.access)}},
	[TDP_TRACE_GET_PAGE] = {"kvm_mmu_get_page",
				{FUNCTION("", put_page), FUNCTION(" ", put_created)}},
	[TDP_TRACE_PREPARE_ZAP_PAGE] = {"kvm_mmu_prepare_zap_page", {FUNCTION("", put_page)}},
	[TDP_TRACE_SPTE_CHANGED] = {"kvm_tdp_mmu_spte_changed",
				    {UNSIGNED("as id ", spte_changed.address_space),
				     HEX(" gfn ", spte_changed.gfn),
				     UNSIGNED(" level ", spte_changed.level),
				     HEX(" old_spte ", spte_changed.old_entry),
				     HEX(" new_spte ", spte_changed.new_entry)}},
	[TDP_TRACE_SET_SPTE] = {"kvm_mmu_set_spte",
				{HEX("gfn ", set_spte.gfn), HEX(" spte ", set_spte.entry),
				 FUNCTION(" (", put_rights), UNSIGNED(") level ", set_spte.level),
				 HEX(" at ", set_spte.entry_at)}},
	[TDP_TRACE_SPLIT_HUGE_PAGE] = {"kvm_mmu_split_huge_page",
				       {HEX("gfn ", split.gfn), HEX(" spte ", split.entry),
					SIGNED(" level ", split.level),
					SIGNED(" errno ", split.error)}},
	[TDP_TRACE_MARK_MMIO_SPTE] = {"mark_mmio_spte",
				      {HEX_OF(16, "sptep:", mark_mmio.entry_at),
				       HEX(" gfn ", mark_mmio.gfn),
				       HEX(" access ", mark_mmio.access),
				       HEX(" gen ", mark_mmio.generation)}},
	[TDP_TRACE_CHECK_MMIO_SPTE] = {"check_mmio_spte",
				       {HEX("spte ", check_mmio.entry),
					HEX(" kvm_gen ", check_mmio.vm_generation),
					HEX(" spte-gen ", check_mmio.entry_generation),
					UNSIGNED(" valid ", check_mmio.valid)}},
	[TDP_TRACE_HANDLE_MMIO_PAGE_FAULT] = {"handle_mmio_page_fault",
					      {HEX("addr:", handle_mmio.address),
					       HEX(" gfn ", handle_mmio.gfn),
					       HEX(" access ", handle_mmio.access)}},
	[TDP_TRACE_ZAP_ALL_FAST] = {"kvm_mmu_zap_all_fast",
				    {UNSIGNED("kvm-mmu-valid-gen ", zap_all_fast.generation),
				     HEX(" used_pages ", zap_all_fast.used_pages)}},
	[TDP_TRACE_UNMAP_HVA_RANGE] = {"kvm_unmap_hva_range",
				       {HEX_OF(14, "mmu notifier unmap range: 0x", unmap_hva.start),
					HEX_OF(14, " -- 0x", unmap_hva.end)}},
	[TDP_TRACE_DIRTY_RING_PUSH] = {"kvm_dirty_ring_push",
				       {UNSIGNED("ring ", dirty_ring.ring),
					HEX(": dirty 0x", dirty_ring.dirty),
					HEX(" reset 0x", dirty_ring.reset),
					UNSIGNED(" slot ", dirty_ring.slot),
					HEX(" offset 0x", dirty_ring.offset),
					FUNCTION(" (used ", put_ring_used), LITERAL(")")}},
	[TDP_TRACE_DIRTY_RING_RESET] = {"kvm_dirty_ring_reset",
					{UNSIGNED("ring ", dirty_ring.ring),
					 HEX(": dirty 0x", dirty_ring.dirty),
					 HEX(" reset 0x", dirty_ring.reset),
					 FUNCTION(" (used ", put_ring_used), LITERAL(")")}},
	[TDP_TRACE_AGE_HVA] = {"kvm_age_hva",
			       {HEX_OF(14, "mmu notifier age hva: 0x", age_hva.start),
				HEX_OF(14, " -- 0x", age_hva.end)}},
	[TDP_TRACE_TEST_AGE_HVA] = {"kvm_test_age_hva",
				    {HEX_OF(14, "mmu notifier test age hva: 0x",
					    test_age_hva.hva)}},
	[TDP_TRACE_DIRTY_RING_EXIT] = {"kvm_dirty_ring_exit", {SIGNED("vcpu ", vcpu)}},

	[TDP_TRACE_FAULT_RETURN] = {"ret_tdp_page_fault",
				    {SIGNED("(kvm_tdp_page_fault) ret=", fault_return.result)}},
	[TDP_TRACE_FLUSH] = {"flush_all", {FUNCTION("(kvm_flush_remote_tlbs", put_flush)}},
	[TDP_TRACE_LOAD_ROOT] = {"load_pgd",
				 {HEX("(load_mmu_pgd) root=0x", load_root.root),
				  UNSIGNED(" level=", load_root.level)}},
	[TDP_TRACE_MARK_DIRTY] = {"mark_dirty",
				  {HEX("(mark_page_dirty_in_slot) gfn=0x", mark_dirty.gfn)}},
};

/* The unsigned field of the piece. */
static uint64_t field_of(const struct tdp_trace_event *event, const struct piece *piece)
{
	const char *at = (const char *)event + piece->offset;
	uint64_t wide;
	uint32_t narrow;

	switch (piece->size) {
	case sizeof(wide):
		memcpy(&wide, at, sizeof(wide));
		return wide;
	case sizeof(narrow):
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	default:
		return *(const uint8_t *)at; /* bool, too */
	}
}

static void put_piece(struct text *text, const struct piece *piece,
		      const struct tdp_trace_event *event)
{
	put(text, "%s", piece->before);
	switch (piece->form) {
	case FORM_LITERAL:
		break;
	case FORM_SIGNED: /* an int */
		put(text, "%" PRId32, (int32_t)field_of(event, piece));
		break;
	case FORM_UNSIGNED:
		put(text, "%" PRIu64, field_of(event, piece));
		break;
	case FORM_HEX:
		put(text, "%0*" PRIx64, (int)piece->width, field_of(event, piece));
		break;
	case FORM_FUNCTION:
		piece->put(text, event);
		break;
	}
}

const char *tdp_trace_name(enum tdp_trace_kind kind)
{
	return (unsigned int)kind < TDP_TRACE_KINDS ? rows[kind].name : NULL;
}

int tdp_trace_text(const struct tdp_trace_event *event, char *buffer, size_t size)
{
	struct text text = {.buffer = buffer, .size = size};

	if (size)
		buffer[0] = '\0';
	if ((unsigned int)event->kind >= TDP_TRACE_KINDS)
		return 0;
	for (const struct piece *piece = rows[event->kind].pieces; piece->before; piece++)
		if (!piece->since_7_2 || since_7_2(event))
			put_piece(&text, piece, event);
	return (int)text.length;
}
