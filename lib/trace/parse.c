/*
 * The lines of KVM's tracepoints (systems kvm and kvmmmu) and of the probes of
 * a capture. The formats are those of arch/x86/kvm/trace.h and
 * arch/x86/kvm/mmu/mmutrace.h from 6.1 to 7.3.
 */
#include "trace/parse.h"

#include "trace/marker.h"
#include "trace/scan.h"

#include <stdio.h>
#include <string.h>

#include <tdpsim/types.h>

typedef void (*parser)(struct scan *scan, struct event *event);

static void page_fault(struct scan *scan, struct event *event)
{
	scan_word(scan, "vcpu ");
	event->u.page_fault.vcpu = (unsigned int)scan_dec(scan);
	scan_word(scan, " rip ");
	event->u.page_fault.rip = scan_hex(scan);
	scan_word(scan, " address ");
	event->u.page_fault.address = scan_hex(scan);
	scan_word(scan, " error_code ");
	event->u.page_fault.error_code = scan_hex(scan);
}

/* Tables and leaves have no other levels: any other number makes the line malformed. */
static unsigned int level_of(struct scan *scan)
{
	uint64_t level = scan_dec(scan);

	if (level < TDP_4K || level > TDP_LEVEL_MAX)
		scan->failed = true;
	return (unsigned int)level;
}

/* Names of the page-fault error bits, as the kernel prints them with '|' between. */
static const struct {
	const char *name;
	uint64_t bit;
} error_names[] = {
	{"P", 1 << 0}, {"W", 1 << 1},  {"U", 1 << 2},  {"RSVD", 1 << 3},
	{"F", 1 << 4}, {"PK", 1 << 5}, {"SS", 1 << 6}, {"SGX", 1 << 15},
};

static uint64_t error_bit(const char *name)
{
	struct scan scan = scan_text(name, strlen(name));

	for (size_t i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++) {
		if (strcmp(name, error_names[i].name) == 0)
			return error_names[i].bit;
	}
	return scan_try(&scan, "0x") ? scan_hex(&scan) : 0;
}

static uint64_t error_flags(struct scan *scan)
{
	char words[80], *rest = words, *word;
	uint64_t flags = 0;

	scan_token(scan, words, sizeof(words));
	while ((word = strsep(&rest, "|")) != NULL)
		flags |= error_bit(word);
	return flags;
}

static void fast_page_fault(struct scan *scan, struct event *event)
{
	scan_word(scan, "vcpu ");
	event->u.fast.vcpu = (unsigned int)scan_dec(scan);
	scan_word(scan, " gva ");
	event->u.fast.gva = scan_hex(scan);
	scan_word(scan, " error_code ");
	event->u.fast.flags = error_flags(scan);
	scan_past(scan, " old ");
	event->u.fast.old_spte = scan_hex(scan);
	scan_word(scan, " new ");
	event->u.fast.new_spte = scan_hex(scan);
	scan_word(scan, " spurious ");
	event->u.fast.spurious = scan_signed(scan);
	scan_word(scan, " fixed ");
	event->u.fast.fixed = scan_signed(scan);
}

static void requested(struct scan *scan, struct event *event)
{
	scan_word(scan, "gfn ");
	event->u.requested.gfn = scan_hex(scan);
	scan_word(scan, " pfn ");
	event->u.requested.pfn = scan_hex(scan);
	scan_word(scan, " level ");
	event->u.requested.level = level_of(scan);
	/* From 7.2 on. */
	event->u.requested.has_access = scan_try(scan, " access ");
	if (event->u.requested.has_access)
		event->u.requested.access = (unsigned int)scan_hex(scan);
}

/*
 * The role word changed in 7.2: access got a fourth bit, and the fields behind it moved up.
 * Bit 14 tells them apart. It is CR0.WP in 7.2, constant 1 for two-dimensional paging, and
 * was part of SMEP before, constant 0.
 */
#define ROLE_7_2 (1u << 14)

static void access_text(unsigned int role, char text[5])
{
	if (role & ROLE_7_2)
		snprintf(text, 5, "%c%c%c%c", role & 1u << 8 ? 'r' : '-',
			 role & 1u << 9 ? 'w' : '-', role & 1u << 10 ? 'u' : '-',
			 role & 1u << 11 ? 'x' : '-');
	else
		snprintf(text, 5, "%c%c%c", role & 1u << 9 ? 'w' : '-', role & 1u << 10 ? 'u' : '-',
			 role & 1u << 8 ? 'x' : '-');
}

void parse_raw_page(const struct raw_page *raw, char *text, size_t size)
{
	unsigned int role = (unsigned int)raw->role, moved = role & ROLE_7_2 ? 1 : 0;
	char access[5];

	access_text(role, access);
	snprintf(text, size, "sp gen %u gfn %llx l%u %u-byte q%u%s %s%s %snxe %sad root %u %s%s",
		 (unsigned int)raw->generation, (unsigned long long)raw->gfn, role & 0xf,
		 role & (1u << 4) ? 4 : 8, role >> 5 & 3, role & (1u << 7) ? " direct" : "", access,
		 role & (1u << 11 << moved) ? " invalid" : "",
		 role & (1u << 12 << moved) ? "" : "!", role & (1u << 16) ? "!" : "",
		 (unsigned int)raw->root_count, raw->unsync ? "unsync" : "sync",
		 raw->has_created ? (raw->created ? " new" : " old") : "");
}

/* "sp gen 0 gfn 0 l4 8-byte q0 direct wux nxe ad root 0 sync new": the role is between. */
static void printed_page(struct scan *scan, struct event *event)
{
	const char *role, *end;

	scan_past(scan, "gfn ");
	event->u.page.gfn = scan_hex(scan);
	scan_word(scan, " l");
	event->u.page.level = level_of(scan);
	scan_word(scan, " ");
	role = scan->at;
	scan_past(scan, " root ");
	end = scan->at - strlen(" root ");
	if (scan->failed || (size_t)(end - role) >= sizeof(event->u.page.role)) {
		scan->failed = true;
		return;
	}
	memcpy(event->u.page.role, role, (size_t)(end - role));
	event->u.page.role[end - role] = '\0';
}

static uint64_t raw_field(struct scan *scan, const char *name)
{
	scan_past(scan, name);
	return scan_dec(scan);
}

/* As `trace-cmd report` prints it, which cannot evaluate the kernel's format. */
static void raw_page(struct scan *scan, struct event *event)
{
	struct raw_page raw = {.generation = raw_field(scan, "mmu_valid_gen="),
			       .gfn = raw_field(scan, "gfn="),
			       .role = raw_field(scan, "role="),
			       .root_count = raw_field(scan, "root_count="),
			       .unsync = raw_field(scan, "unsync=")};
	struct scan printed;
	char text[160];

	parse_raw_page(&raw, text, sizeof(text));
	printed = scan_text(text, strlen(text));
	printed_page(&printed, event);
	scan->failed |= printed.failed;
}

static void page(struct scan *scan, struct event *event)
{
	if (scan_try(scan, "[FAILED TO PARSE]"))
		raw_page(scan, event);
	else
		printed_page(scan, event);
}

static void changed(struct scan *scan, struct event *event)
{
	scan_word(scan, "as id ");
	event->u.changed.as_id = (unsigned int)scan_dec(scan);
	scan_word(scan, " gfn ");
	event->u.changed.gfn = scan_hex(scan);
	scan_word(scan, " level ");
	event->u.changed.level = level_of(scan);
	scan_word(scan, " old_spte ");
	event->u.changed.old_spte = scan_hex(scan);
	scan_word(scan, " new_spte ");
	event->u.changed.new_spte = scan_hex(scan);
}

static void set_spte(struct scan *scan, struct event *event)
{
	scan_word(scan, "gfn ");
	event->u.set.gfn = scan_hex(scan);
	scan_word(scan, " spte ");
	event->u.set.spte = scan_hex(scan);
	scan_word(scan, " (");
	if (scan->failed || scan->end - scan->at < 4) {
		scan->failed = true;
		return;
	}
	/* "rwxu", or, before 7.2 and without a user bit, three letters and the bracket. */
	memcpy(event->u.set.rights, scan->at, 4);
	if (event->u.set.rights[3] == ')')
		event->u.set.rights[3] = '\0';
	scan_past(scan, ") level ");
	event->u.set.level = level_of(scan);
}

static void split(struct scan *scan, struct event *event)
{
	scan_word(scan, "gfn ");
	event->u.split.gfn = scan_hex(scan);
	scan_word(scan, " spte ");
	event->u.split.spte = scan_hex(scan);
	scan_word(scan, " level ");
	event->u.split.level = level_of(scan);
	scan_word(scan, " errno ");
	event->u.split.err = scan_signed(scan);
}

static void mark_mmio(struct scan *scan, struct event *event)
{
	scan_past(scan, "gfn ");
	event->u.mark_mmio.gfn = scan_hex(scan);
	scan_word(scan, " access ");
	event->u.mark_mmio.access = (unsigned int)scan_hex(scan);
	scan_word(scan, " gen ");
	event->u.mark_mmio.generation = scan_hex(scan);
}

static void check_mmio(struct scan *scan, struct event *event)
{
	scan_word(scan, "spte ");
	event->u.check_mmio.spte = scan_hex(scan);
	scan_word(scan, " kvm_gen ");
	event->u.check_mmio.kvm_generation = scan_hex(scan);
	scan_word(scan, " spte-gen ");
	event->u.check_mmio.spte_generation = scan_hex(scan);
	scan_word(scan, " valid ");
	event->u.check_mmio.valid = (unsigned int)scan_dec(scan);
}

static void returned(struct scan *scan, struct event *event)
{
	scan_past(scan, "ret=");
	event->u.ret.value = scan_signed(scan);
}

static void mark_dirty(struct scan *scan, struct event *event)
{
	scan_past(scan, "gfn=");
	event->u.dirty.gfn = scan_hex(scan);
}

static void load_root(struct scan *scan, struct event *event)
{
	scan_past(scan, "root=");
	event->u.load.root = scan_hex(scan);
	if (scan_try(scan, " level="))
		event->u.load.level = level_of(scan);
}

static void zap_all_fast(struct scan *scan, struct event *event)
{
	scan_word(scan, "kvm-mmu-valid-gen ");
	event->u.zap_all.generation = scan_dec(scan);
}

/* "unmap range: 0x1000 -- 0x2000", but "age hva: 0x1441 -- 0x2441": ends of any alignment. */
static void hva_range(struct scan *scan, struct event *event)
{
	if (!scan_try_past(scan, "range: "))
		scan_past(scan, "hva: ");
	event->u.range.start = scan_hex(scan);
	scan_word(scan, " -- ");
	event->u.range.end = scan_hex(scan);
}

static void hva_page(struct scan *scan, struct event *event)
{
	scan_past(scan, "hva: ");
	event->u.range.start = scan_hex(scan);
	event->u.range.end = event->u.range.start + 1;
}

static void smm(struct scan *scan, struct event *event)
{
	scan_word(scan, "vcpu ");
	event->u.smm.vcpu = (unsigned int)scan_dec(scan);
	scan_word(scan, ": ");
	event->u.smm.entering = scan_try(scan, "entering");
	if (!event->u.smm.entering)
		scan_word(scan, "leaving");
}

/* "ring 0: dirty 0x1 reset 0x0 slot 1 offset 0x1 (used 1)": a reset names no page. */
static void ring(struct scan *scan, struct event *event)
{
	scan_word(scan, "ring ");
	event->u.ring.ring = (unsigned int)scan_dec(scan);
	scan_word(scan, ": dirty ");
	event->u.ring.dirty = scan_hex(scan);
	scan_word(scan, " reset ");
	event->u.ring.reset = scan_hex(scan);
	if (event->kind == EVENT_RING_PUSH) {
		scan_word(scan, " slot ");
		event->u.ring.slot = scan_dec(scan);
		scan_word(scan, " offset ");
		event->u.ring.offset = scan_hex(scan);
	}
	scan_word(scan, " (used ");
	event->u.ring.used = scan_dec(scan);
}

static void nothing(struct scan *scan, struct event *event)
{
	(void)scan;
	(void)event;
}

static const struct {
	const char *name;
	enum event_kind kind;
	parser parse;
} parsers[] = {
	{"kvm_tdp_mmu_spte_changed", EVENT_SPTE_CHANGED, changed},
	{"kvm_page_fault", EVENT_PAGE_FAULT, page_fault},
	{"kvm_mmu_spte_requested", EVENT_SPTE_REQUESTED, requested},
	{"kvm_mmu_set_spte", EVENT_SET_SPTE, set_spte},
	{"ret_tdp_page_fault", EVENT_RETURN, returned},
	{"fast_page_fault", EVENT_FAST_PAGE_FAULT, fast_page_fault},
	{"kvm_mmu_get_page", EVENT_GET_PAGE, page},
	{"kvm_mmu_prepare_zap_page", EVENT_ZAP_PAGE, page},
	{"kvm_mmu_split_huge_page", EVENT_SPLIT, split},
	{"mark_mmio_spte", EVENT_MARK_MMIO, mark_mmio},
	{"check_mmio_spte", EVENT_CHECK_MMIO, check_mmio},
	{"mark_dirty", EVENT_MARK_DIRTY, mark_dirty},
	{"flush_all", EVENT_FLUSH, nothing},
	{"load_pgd", EVENT_LOAD_ROOT, load_root},
	{"load_pgd_vmx", EVENT_LOAD_ROOT, load_root},
	{"ret_root", EVENT_LOAD_ROOT, load_root},
	{"kvm_mmu_zap_all_fast", EVENT_ZAP_ALL_FAST, zap_all_fast},
	{"ept_misconfig", EVENT_MISCONFIG, nothing},
	{"kvm_unmap_hva_range", EVENT_UNMAP, hva_range},
	{"kvm_age_hva", EVENT_AGE, hva_range},
	{"kvm_test_age_hva", EVENT_TEST_AGE, hva_page},
	{"kvm_smm_transition", EVENT_SMM, smm},
	{"kvm_dirty_ring_push", EVENT_RING_PUSH, ring},
	{"kvm_dirty_ring_reset", EVENT_RING_RESET, ring},
	{"zap_sp", EVENT_NX_RECOVERY, nothing},
};

static bool parse_known(const char *name, struct scan scan, struct event *event)
{
	for (size_t i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
		if (strcmp(name, parsers[i].name) != 0)
			continue;
		event->kind = parsers[i].kind;
		parsers[i].parse(&scan, event);
		return !scan.failed;
	}
	return true;
}

bool parse_event(const char *text, size_t length, struct event *event)
{
	struct scan scan = scan_text(text, length);
	const char *colon = memchr(text, ':', length);
	char name[40];

	event->text = text;
	event->length = length;
	if (!colon || colon == text)
		return false;
	if ((size_t)(colon - text) >= sizeof(name))
		return true;
	memcpy(name, text, (size_t)(colon - text));
	name[colon - text] = '\0';
	scan.at = colon + 1;
	while (scan_try(&scan, " "))
		;
	/* `trace-cmd report` puts the marker's event before the marker. */
	if (strcmp(name, "print") == 0)
		return !scan_try(&scan, "tracing_mark_write: P: ") || parse_marker(scan, event);
	if (strcmp(name, "tracing_mark_write") == 0)
		return !scan_try(&scan, "P: ") || parse_marker(scan, event);
	return parse_known(name, scan, event);
}
