/*
 * A data frame must stand at the distance at which the script answered; a table must have
 * the name that it was given (names.h). Task, pid, host CPU, counter and kernel addresses
 * are not compared anywhere.
 */
#include "compare.h"

#include "spte.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[EVENT_KINDS] = {
	[EVENT_PAGE_FAULT] = "kvm_page_fault",
	[EVENT_FAST_PAGE_FAULT] = "fast_page_fault",
	[EVENT_SPTE_REQUESTED] = "kvm_mmu_spte_requested",
	[EVENT_GET_PAGE] = "kvm_mmu_get_page",
	[EVENT_ZAP_PAGE] = "kvm_mmu_prepare_zap_page",
	[EVENT_SPTE_CHANGED] = "kvm_tdp_mmu_spte_changed",
	[EVENT_SET_SPTE] = "kvm_mmu_set_spte",
	[EVENT_SPLIT] = "kvm_mmu_split_huge_page",
	[EVENT_MARK_MMIO] = "mark_mmio_spte",
	[EVENT_CHECK_MMIO] = "check_mmio_spte",
	[EVENT_RETURN] = "the fault's return",
	[EVENT_MARK_DIRTY] = "mark_dirty",
	[EVENT_FLUSH] = "flush_all",
	[EVENT_LOAD_ROOT] = "the load of a root",
	[EVENT_ZAP_ALL_FAST] = "kvm_mmu_zap_all_fast",
	[EVENT_MISCONFIG] = "ept_misconfig",
	[EVENT_RING_PUSH] = "kvm_dirty_ring_push",
	[EVENT_RING_RESET] = "kvm_dirty_ring_reset",
	[EVENT_REGION_RESULT] = "the result of a slot call",
	[EVENT_LOG_RESULT] = "the result of a dirty-log call",
	[EVENT_RESET_RESULT] = "the result of reset_dirty_rings",
	[EVENT_EXIT] = "EXIT",
	[EVENT_UNMAP] = "kvm_unmap_hva_range",
	[EVENT_AGE] = "kvm_age_hva",
	[EVENT_TEST_AGE] = "kvm_test_age_hva",
	[EVENT_SMM] = "kvm_smm_transition",
	[EVENT_NX_RECOVERY] = "an NX recovery round",
	[EVENT_PHASE] = "PHASE",
	[EVENT_ACCESS] = "ACC",
	[EVENT_BACKING] = "HOST backing",
	[EVENT_REGION] = "HOST set_memory_region",
	[EVENT_GET_LOG] = "HOST get_dirty_log",
	[EVENT_CLEAR_LOG] = "HOST clear_dirty_log",
	[EVENT_RING_ENTRY] = "HOST ring",
	[EVENT_PARAMETER] = "HOST write",
	[EVENT_END] = "END",
};

const char *event_name(enum event_kind kind)
{
	return kind_names[kind] ? kind_names[kind] : "a marker";
}

void compare_note(struct comparison *comparison, unsigned int line, const char *format, ...)
{
	struct difference *difference;
	va_list arguments;

	if (comparison->difference_count++ >= DIFFERENCES_MAX)
		return;
	difference = &comparison->differences[comparison->difference_count - 1];
	difference->line = line;
	va_start(arguments, format);
	vsnprintf(difference->sentence, sizeof(difference->sentence), format, arguments);
	va_end(arguments);
}

/* The comparison under way; the event names line and kind. */
struct pair {
	struct comparison *comparison;
	const struct event *theirs;
};

static void differ(const struct pair *pair, const char *field, uint64_t theirs, uint64_t ours)
{
	compare_note(pair->comparison, pair->theirs->line,
		     "%s, %s: the trace has %" PRIx64 ", the simulator %" PRIx64,
		     event_name(pair->theirs->kind), field, theirs, ours);
}

static void same(const struct pair *pair, const char *field, uint64_t theirs, uint64_t ours)
{
	if (theirs != ours)
		differ(pair, field, theirs, ours);
}

static void same_signed(const struct pair *pair, const char *field, int64_t theirs, int64_t ours)
{
	if (theirs != ours)
		compare_note(pair->comparison, pair->theirs->line,
			     "%s, %s: the trace has %" PRId64 ", the simulator %" PRId64,
			     event_name(pair->theirs->kind), field, theirs, ours);
}

static void same_text(const struct pair *pair, const char *field, const char *theirs,
		      const char *ours)
{
	if (strcmp(theirs, ours) != 0)
		compare_note(pair->comparison, pair->theirs->line,
			     "%s, %s: the trace has \"%s\", the simulator \"%s\"",
			     event_name(pair->theirs->kind), field, theirs, ours);
}

/* Compares all bits; of two values that map something all but the frame. */
static bool same_bits(const struct pair *pair, const char *field, uint64_t theirs, uint64_t ours)
{
	bool frames = spte_is_present(theirs) && spte_is_present(ours);
	uint64_t mask = frames ? ~SPTE_FRAME : ~(uint64_t)0;

	if ((theirs & mask) == (ours & mask))
		return true;
	differ(pair, field, theirs, ours);
	return false;
}

static void same_data_frame(const struct pair *pair, const char *field, uint64_t theirs,
			    uint64_t ours)
{
	if (spte_pfn(theirs) + pair->comparison->names->data_base != spte_pfn(ours))
		differ(pair, field, spte_pfn(theirs),
		       spte_pfn(ours) - pair->comparison->names->data_base);
}

static void same_leaf(const struct pair *pair, const char *field, uint64_t theirs, uint64_t ours)
{
	if (same_bits(pair, field, theirs, ours) && spte_is_present(theirs))
		same_data_frame(pair, field, theirs, ours);
}

static void no_such_table(const struct pair *pair, const char *field, uint64_t theirs)
{
	compare_note(pair->comparison, pair->theirs->line,
		     "%s, %s: table %" PRIx64 " of the trace is not the one that the simulator has",
		     event_name(pair->theirs->kind), field, spte_pfn(theirs));
}

static void same_old(const struct pair *pair, uint64_t theirs, uint64_t ours, unsigned int level)
{
	struct names *names = pair->comparison->names;

	if (!spte_is_table(theirs, level) || !spte_is_table(ours, level)) {
		same_leaf(pair, "old_spte", theirs, ours);
		return;
	}
	same_bits(pair, "old_spte", theirs, ours);
	if (!names_match(names, spte_pfn(theirs), spte_pfn(ours)))
		no_such_table(pair, "old_spte", theirs);
	names_end(names, spte_pfn(ours));
}

static void same_new(const struct pair *pair, uint64_t theirs, uint64_t ours, unsigned int level)
{
	struct names *names = pair->comparison->names;

	if (!spte_is_table(theirs, level) || !spte_is_table(ours, level)) {
		same_leaf(pair, "new_spte", theirs, ours);
		return;
	}
	same_bits(pair, "new_spte", theirs, ours);
	if (!names_begin(names, spte_pfn(theirs), spte_pfn(ours), false))
		no_such_table(pair, "new_spte", theirs);
}

static void same_changed(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "as id", t->u.changed.as_id, o->u.changed.as_id);
	same(pair, "gfn", t->u.changed.gfn, o->u.changed.gfn);
	same(pair, "level", t->u.changed.level, o->u.changed.level);
	same_old(pair, t->u.changed.old_spte, o->u.changed.old_spte, o->u.changed.level);
	same_new(pair, t->u.changed.new_spte, o->u.changed.new_spte, o->u.changed.level);
}

static void same_page_fault(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "vcpu", t->u.page_fault.vcpu, o->u.page_fault.vcpu);
	same(pair, "rip", t->u.page_fault.rip, o->u.page_fault.rip);
	same(pair, "address", t->u.page_fault.address, o->u.page_fault.address);
	same(pair, "error_code", t->u.page_fault.error_code, o->u.page_fault.error_code);
}

static void same_fast(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "vcpu", t->u.fast.vcpu, o->u.fast.vcpu);
	same(pair, "gva", t->u.fast.gva, o->u.fast.gva);
	same(pair, "error_code", t->u.fast.flags, o->u.fast.flags);
	same_bits(pair, "old", t->u.fast.old_spte, o->u.fast.old_spte);
	same_bits(pair, "new", t->u.fast.new_spte, o->u.fast.new_spte);
	same_signed(pair, "spurious", t->u.fast.spurious, o->u.fast.spurious);
	same_signed(pair, "fixed", t->u.fast.fixed, o->u.fast.fixed);
}

static void same_page(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "gfn", t->u.page.gfn, o->u.page.gfn);
	same(pair, "level", t->u.page.level, o->u.page.level);
	same_text(pair, "role", t->u.page.role, o->u.page.role);
}

static void same_set(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "gfn", t->u.set.gfn, o->u.set.gfn);
	same(pair, "level", t->u.set.level, o->u.set.level);
	same_leaf(pair, "spte", t->u.set.spte, o->u.set.spte);
	same_text(pair, "rights", t->u.set.rights, o->u.set.rights);
}

static void same_split(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "gfn", t->u.split.gfn, o->u.split.gfn);
	same(pair, "level", t->u.split.level, o->u.split.level);
	same_leaf(pair, "spte", t->u.split.spte, o->u.split.spte);
	same_signed(pair, "errno", t->u.split.err, o->u.split.err);
}

static void same_mark_mmio(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "gfn", t->u.mark_mmio.gfn, o->u.mark_mmio.gfn);
	same(pair, "access", t->u.mark_mmio.access, o->u.mark_mmio.access);
	same(pair, "gen", t->u.mark_mmio.generation, o->u.mark_mmio.generation);
}

static void same_check_mmio(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "spte", t->u.check_mmio.spte, o->u.check_mmio.spte);
	same(pair, "kvm_gen", t->u.check_mmio.kvm_generation, o->u.check_mmio.kvm_generation);
	same(pair, "spte-gen", t->u.check_mmio.spte_generation, o->u.check_mmio.spte_generation);
	same(pair, "valid", t->u.check_mmio.valid, o->u.check_mmio.valid);
}

static void same_root(const struct pair *pair, const struct event *t, const struct event *o)
{
	struct names *names = pair->comparison->names;
	uint64_t theirs = t->u.load.root, ours = o->u.load.root;

	same(pair, "root's flags", theirs & ~SPTE_FRAME, ours & ~SPTE_FRAME);
	if (t->u.load.level)
		same(pair, "level", t->u.load.level, o->u.load.level);
	if (!names_match(names, spte_pfn(theirs), spte_pfn(ours)) &&
	    !names_begin(names, spte_pfn(theirs), spte_pfn(ours), true))
		no_such_table(pair, "root", theirs);
}

static void same_exit(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "kind", t->u.exit.kind, o->u.exit.kind);
	same(pair, "vcpu", t->u.exit.vcpu, o->u.exit.vcpu);
	same(pair, "direction", t->u.exit.write, o->u.exit.write);
	same(pair, "gpa", t->u.exit.gpa, o->u.exit.gpa);
	same(pair, "size", t->u.exit.bytes, o->u.exit.bytes);
	same(pair, "flags", t->u.exit.flags, o->u.exit.flags);
	same(pair, "reason", t->u.exit.reason, o->u.exit.reason);
	same_signed(pair, "errno", t->u.exit.err, o->u.exit.err);
}

static void same_requested(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "gfn", t->u.requested.gfn, o->u.requested.gfn);
	same(pair, "level", t->u.requested.level, o->u.requested.level);
	same(pair, "whether it has an access", t->u.requested.has_access,
	     o->u.requested.has_access);
	same(pair, "access", t->u.requested.access, o->u.requested.access);
}

static void same_return(const struct pair *pair, const struct event *t, const struct event *o)
{
	same_signed(pair, "ret", t->u.ret.value, o->u.ret.value);
}

static void same_dirty(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "gfn", t->u.dirty.gfn, o->u.dirty.gfn);
}

static void same_zap_all(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "gen", t->u.zap_all.generation, o->u.zap_all.generation);
	names_end_roots(pair->comparison->names);
}

static void same_result(const struct pair *pair, const struct event *t, const struct event *o)
{
	same_signed(pair, "rc", t->u.result.rc, o->u.result.rc);
	same_signed(pair, "errno", t->u.result.err, o->u.result.err);
}

/* The first run of pages in which the two lists are not the same. */
static void same_pages(const struct pair *pair, const struct event *t, const struct event *o)
{
	const char *theirs = t->text + t->u.log_result.gfns, *ours = o->text + o->u.log_result.gfns;
	size_t theirs_left = t->length - t->u.log_result.gfns;
	size_t ours_left = o->length - o->u.log_result.gfns;
	size_t run = 0, i = 0;

	while (i < theirs_left && i < ours_left && theirs[i] == ours[i]) {
		run = theirs[i] == ' ' ? i + 1 : run;
		i++;
	}
	if (i == theirs_left && i == ours_left)
		return;
	theirs_left -= run;
	ours_left -= run;
	compare_note(pair->comparison, pair->theirs->line,
		     "%s, gfns, from here on: the trace has \"%.*s\", the simulator \"%.*s\"",
		     event_name(t->kind), (int)(theirs_left < 40 ? theirs_left : 40), theirs + run,
		     (int)(ours_left < 40 ? ours_left : 40), ours + run);
}

static void same_log_result(const struct pair *pair, const struct event *t, const struct event *o)
{
	same_signed(pair, "rc", t->u.log_result.rc, o->u.log_result.rc);
	same_signed(pair, "errno", t->u.log_result.err, o->u.log_result.err);
	same(pair, "whether it lists pages", t->u.log_result.has_pages, o->u.log_result.has_pages);
	if (!t->u.log_result.has_pages || !o->u.log_result.has_pages)
		return;
	same(pair, "dirty", t->u.log_result.dirty, o->u.log_result.dirty);
	same_pages(pair, t, o);
}

static void same_reset_result(const struct pair *pair, const struct event *t, const struct event *o)
{
	same_signed(pair, "rc", t->u.result.rc, o->u.result.rc);
}

static void same_ring(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "ring", t->u.ring.ring, o->u.ring.ring);
	same(pair, "dirty", t->u.ring.dirty, o->u.ring.dirty);
	same(pair, "reset", t->u.ring.reset, o->u.ring.reset);
	same(pair, "slot", t->u.ring.slot, o->u.ring.slot);
	same(pair, "offset", t->u.ring.offset, o->u.ring.offset);
	same(pair, "used", t->u.ring.used, o->u.ring.used);
}

static void same_ring_entry(const struct pair *pair, const struct event *t, const struct event *o)
{
	same(pair, "flags", t->u.ring_entry.flags, o->u.ring_entry.flags);
	same(pair, "slot", t->u.ring_entry.slot, o->u.ring_entry.slot);
	same(pair, "offset", t->u.ring_entry.offset, o->u.ring_entry.offset);
}

/* A kind without an entry has no fields: only its place is compared. */
static void (*const same_fields[EVENT_KINDS])(const struct pair *pair, const struct event *theirs,
					      const struct event *ours) = {
	[EVENT_PAGE_FAULT] = same_page_fault,
	[EVENT_FAST_PAGE_FAULT] = same_fast,
	[EVENT_SPTE_REQUESTED] = same_requested,
	[EVENT_GET_PAGE] = same_page,
	[EVENT_ZAP_PAGE] = same_page,
	[EVENT_SPTE_CHANGED] = same_changed,
	[EVENT_SET_SPTE] = same_set,
	[EVENT_SPLIT] = same_split,
	[EVENT_MARK_MMIO] = same_mark_mmio,
	[EVENT_CHECK_MMIO] = same_check_mmio,
	[EVENT_RETURN] = same_return,
	[EVENT_MARK_DIRTY] = same_dirty,
	[EVENT_LOAD_ROOT] = same_root,
	[EVENT_ZAP_ALL_FAST] = same_zap_all,
	[EVENT_RING_PUSH] = same_ring,
	[EVENT_RING_RESET] = same_ring,
	[EVENT_REGION_RESULT] = same_result,
	[EVENT_LOG_RESULT] = same_log_result,
	[EVENT_RESET_RESULT] = same_reset_result,
	[EVENT_RING_ENTRY] = same_ring_entry,
	[EVENT_EXIT] = same_exit,
};

void compare_events(struct comparison *comparison, const struct event *theirs,
		    const struct event *ours)
{
	struct pair pair = {comparison, theirs};

	comparison->compared++;
	if (same_fields[theirs->kind])
		same_fields[theirs->kind](&pair, theirs, ours);
}

void compare_repair(struct comparison *comparison, const struct event *theirs, uint64_t old,
		    uint64_t ours)
{
	struct pair pair = {comparison, theirs};

	comparison->compared++;
	same_leaf(&pair, "old", old, ours);
}
