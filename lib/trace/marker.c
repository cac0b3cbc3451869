/*
 * The program under KVM writes which guest instruction comes next, which call it makes
 * and what the call returned.
 *
 * A HOST line of a call that a replay cannot make becomes EVENT_FEATURE with the name of
 * what the call needs: the replay ends at that line, and not before.
 */
#include "trace/marker.h"

#include <stdio.h>
#include <string.h>

static bool has(struct scan scan, const char *word)
{
	return scan_try_past(&scan, word);
}

static bool phase(struct scan scan, struct event *event)
{
	event->kind = EVENT_PHASE;
	event->u.phase.kind = PHASE_OTHER;
	if (scan_try(&scan, "create vm type=")) {
		event->u.phase.kind = PHASE_CREATE;
		event->u.phase.vm_type = (unsigned int)scan_dec(&scan);
		scan_word(&scan, " vcpus=");
		event->u.phase.vcpus = (unsigned int)scan_dec(&scan);
		return !scan.failed;
	}
	if (scan_try(&scan, "warm"))
		event->u.phase.kind = PHASE_WARM;
	else if (scan_try(&scan, "destroy vm"))
		event->u.phase.kind = PHASE_DESTROY;
	else if (has(scan, "RESET_DIRTY_RINGS"))
		event->u.phase.kind = PHASE_RESET_RINGS;
	else if (has(scan, "in parallel"))
		event->u.phase.kind = PHASE_PARALLEL;
	else if (scan.at < scan.end && *scan.at >= '1' && *scan.at <= '9') {
		scan_dec(&scan);
		if (scan_try(&scan, " vcpus write"))
			event->u.phase.kind = PHASE_PARALLEL;
	}
	return true;
}

static void access_register(struct scan *scan, struct event *event)
{
	static const struct {
		const char *name;
		enum access_op op;
	} ops[] = {
		{"mov CR0=", ACCESS_CR0},
		{"mov CR3=", ACCESS_CR3},
		{"mov CR4=", ACCESS_CR4},
		{"wrmsr EFER=", ACCESS_EFER},
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (scan_try(scan, ops[i].name)) {
			event->u.access.op = ops[i].op;
			event->u.access.value = scan_number(scan);
			return;
		}
	}
	scan->failed = true;
}

static bool access(struct scan scan, struct event *event)
{
	static const struct {
		const char *name;
		enum access_op op;
	} ops[] = {
		{"R gpa=", ACCESS_READ},
		{"W gpa=", ACCESS_WRITE},
		{"A gpa=", ACCESS_ADD},
		{"X gpa=", ACCESS_EXECUTE},
	};

	event->kind = EVENT_ACCESS;
	scan_word(&scan, "vcpu=");
	event->u.access.vcpu = (unsigned int)scan_dec(&scan);
	scan_word(&scan, " ");
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (scan_try(&scan, ops[i].name)) {
			event->u.access.op = ops[i].op;
			event->u.access.gpa = scan_number(&scan);
			return !scan.failed;
		}
	}
	access_register(&scan, event);
	return !scan.failed;
}

static bool exit_mmio(struct scan scan, struct event *event)
{
	event->u.exit.kind = EXIT_MMIO;
	event->u.exit.write = scan_try(&scan, "write ");
	if (!event->u.exit.write)
		scan_word(&scan, "read ");
	scan_word(&scan, "gpa=");
	event->u.exit.gpa = scan_number(&scan);
	scan_word(&scan, " len=");
	event->u.exit.bytes = scan_number(&scan);
	return !scan.failed;
}

static bool exit_memory_fault(struct scan scan, struct event *event)
{
	event->u.exit.kind = EXIT_MEMORY_FAULT;
	scan_word(&scan, "errno=");
	event->u.exit.err = scan_signed(&scan);
	scan_word(&scan, " flags=");
	event->u.exit.flags = scan_number(&scan);
	scan_word(&scan, " gpa=");
	event->u.exit.gpa = scan_number(&scan);
	scan_word(&scan, " size=");
	event->u.exit.bytes = scan_number(&scan);
	return !scan.failed;
}

static bool exit_line(struct scan scan, struct event *event)
{
	event->kind = EVENT_EXIT;
	scan_word(&scan, "vcpu=");
	event->u.exit.vcpu = (unsigned int)scan_dec(&scan);
	scan_word(&scan, " ");
	if (scan_try(&scan, "MMIO "))
		return exit_mmio(scan, event);
	if (scan_try(&scan, "MEMORY_FAULT "))
		return exit_memory_fault(scan, event);
	if (scan_try(&scan, "KVM_RUN failed errno=")) {
		event->u.exit.kind = EXIT_FAILED;
		event->u.exit.err = scan_signed(&scan);
		return !scan.failed;
	}
	scan_word(&scan, "reason=");
	event->u.exit.kind = EXIT_REASON;
	event->u.exit.reason = scan_dec(&scan);
	return !scan.failed;
}

static bool backing(struct scan scan, struct event *event)
{
	static const struct {
		const char *name;
		unsigned int level;
	} kinds[] = {{"anon-4k", 1}, {"hugetlb-2M", 2}, {"hugetlb-1G", 3}, {"anon-THP", 0}};
	size_t i;

	event->kind = EVENT_BACKING;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (scan_try(&scan, kinds[i].name))
			break;
	}
	if (i == sizeof(kinds) / sizeof(kinds[0]))
		return false;
	event->u.backing.level = kinds[i].level;
	scan_past(&scan, "hva=");
	event->u.backing.hva = scan_number(&scan);
	scan_word(&scan, " size=");
	event->u.backing.bytes = scan_number(&scan);
	scan_word(&scan, " pretouched=");
	event->u.backing.pretouched = scan_dec(&scan) != 0;
	return !scan.failed;
}

static bool result(struct scan scan, struct event *event)
{
	event->kind = EVENT_REGION_RESULT;
	event->u.result.rc = scan_signed(&scan);
	scan_word(&scan, " errno=");
	event->u.result.err = scan_signed(&scan);
	return !scan.failed;
}

static bool region(struct scan scan, struct event *event)
{
	if (scan_try(&scan, "rc="))
		return result(scan, event);
	event->kind = EVENT_REGION;
	if (scan_try(&scan, "as=")) {
		event->u.region.as_id = (unsigned int)scan_dec(&scan);
		scan_word(&scan, " ");
	}
	scan_word(&scan, "slot=");
	event->u.region.slot = (unsigned int)scan_dec(&scan);
	scan_word(&scan, " flags=");
	event->u.region.flags = (unsigned int)scan_number(&scan);
	scan_word(&scan, " gpa=");
	event->u.region.gpa = scan_number(&scan);
	scan_word(&scan, " size=");
	event->u.region.bytes = scan_number(&scan);
	scan_word(&scan, " hva=");
	event->u.region.hva = scan_number(&scan);
	return !scan.failed;
}

static bool feature(struct event *event, const char *name)
{
	event->kind = EVENT_FEATURE;
	snprintf(event->u.feature.name, sizeof(event->u.feature.name), "%s", name);
	return true;
}

static bool capability(struct scan scan, struct event *event)
{
	event->kind = EVENT_CAPABILITY;
	event->u.capability.capability = scan_dec(&scan);
	scan_word(&scan, " arg0=");
	event->u.capability.argument = scan_number(&scan);
	scan_word(&scan, " rc=");
	event->u.capability.rc = scan_signed(&scan);
	return !scan.failed;
}

/* Bits 0 to 15 are the slot id, the rest is the address space. */
static void log_slot(struct scan *scan, struct event *event)
{
	uint64_t slot = scan_dec(scan);

	scan->failed |= slot > UINT32_MAX;
	event->u.log.slot = slot & 0xffff;
	event->u.log.as_id = (unsigned int)(slot >> 16);
}

/* "rc=0 errno=0"; a read adds "dirty=20 gfns: 0x40000+8 0x40010+4". */
static bool log_result(struct scan scan, struct event *event)
{
	event->kind = EVENT_LOG_RESULT;
	event->u.log_result.rc = scan_signed(&scan);
	scan_word(&scan, " errno=");
	event->u.log_result.err = scan_signed(&scan);
	event->u.log_result.has_pages = scan_try(&scan, " dirty=");
	if (!event->u.log_result.has_pages)
		return !scan.failed;
	event->u.log_result.dirty = scan_dec(&scan);
	scan_word(&scan, " gfns:");
	scan_try(&scan, " ");
	event->u.log_result.gfns = (size_t)(scan.at - event->text);
	return !scan.failed;
}

static bool get_log(struct scan scan, struct event *event)
{
	if (scan_try(&scan, "rc="))
		return log_result(scan, event);
	event->kind = EVENT_GET_LOG;
	scan_word(&scan, "slot=");
	log_slot(&scan, event);
	return !scan.failed;
}

static bool clear_log(struct scan scan, struct event *event)
{
	if (scan_try(&scan, "rc="))
		return log_result(scan, event);
	event->kind = EVENT_CLEAR_LOG;
	scan_word(&scan, "slot=");
	log_slot(&scan, event);
	scan_word(&scan, " first_page=");
	event->u.log.first = scan_number(&scan);
	scan_word(&scan, " num_pages=");
	event->u.log.pages = scan_number(&scan);
	scan_word(&scan, " bitmap=all ones");
	return !scan.failed;
}

static bool ring_entry(struct scan scan, struct event *event)
{
	event->kind = EVENT_RING_ENTRY;
	event->u.ring_entry.index = scan_dec(&scan);
	scan_word(&scan, "] flags=");
	event->u.ring_entry.flags = scan_number(&scan);
	scan_word(&scan, " slot=");
	event->u.ring_entry.slot = scan_dec(&scan);
	scan_word(&scan, " offset=");
	event->u.ring_entry.offset = scan_number(&scan);
	return !scan.failed;
}

static bool reset_result(struct scan scan, struct event *event)
{
	event->kind = EVENT_RESET_RESULT;
	scan_word(&scan, "rc=");
	event->u.result.rc = scan_signed(&scan);
	return !scan.failed;
}

/* "auto" means off: the machines of the captures run without mitigations. */
static uint64_t nx_value(struct scan *scan)
{
	static const char *const on[] = {"force", "Y", "y", "1", "on"};

	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		if (scan_try(scan, on[i]))
			return 1;
	}
	return 0;
}

static bool parameter(struct scan scan, struct event *event)
{
	event->kind = EVENT_PARAMETER;
	event->u.parameter.name = PARAMETER_OTHER;
	if (scan_try(&scan, "nx_huge_pages = ")) {
		event->u.parameter.name = PARAMETER_NX_HUGE_PAGES;
		event->u.parameter.value = nx_value(&scan);
	} else if (scan_try(&scan, "nx_huge_pages_recovery_ratio = ")) {
		event->u.parameter.name = PARAMETER_NX_RATIO;
		event->u.parameter.value = scan_dec(&scan);
	}
	return !scan.failed;
}

/* "CR0=PE|PG CR3=0x20000": names of flags with '|' between, or a number. */
static uint64_t register_value(struct scan scan, const char *name)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} flags[] = {{"PE", 0},	 {"ET", 4},   {"WP", 16}, {"CD", 30},	{"PG", 31},
		     {"PSE", 4}, {"PAE", 5},  {"PGE", 7}, {"LA57", 12}, {"SMEP", 20},
		     {"LME", 8}, {"LMA", 10}, {"NX", 11}, {"NXE", 11}};
	char words[80], *rest = words, *word;
	uint64_t value = 0;

	if (!scan_try_past(&scan, name) || scan.at == scan.end)
		return 0;
	if (*scan.at >= '0' && *scan.at <= '9')
		return scan_number(&scan);
	scan_token(&scan, words, sizeof(words));
	while ((word = strsep(&rest, "|")) != NULL) {
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			if (strcmp(word, flags[i].name) == 0)
				value |= (uint64_t)1 << flags[i].bit;
		}
	}
	return value;
}

static bool sregs(struct scan scan, struct event *event)
{
	event->kind = EVENT_SREGS;
	scan_word(&scan, "vcpu=");
	event->u.sregs.vcpu = (unsigned int)scan_dec(&scan);
	event->u.sregs.cr0 = register_value(scan, "CR0=");
	event->u.sregs.cr3 = register_value(scan, "CR3=");
	event->u.sregs.cr4 = register_value(scan, "CR4=");
	event->u.sregs.efer = register_value(scan, "EFER=");
	return !scan.failed;
}

/* HOST lines of calls that a replay cannot make, and what they need. */
static const struct {
	const char *line, *needs;
} features[] = {
	{"create_guest_memfd ", "guest_memfd"},
	{"gmem ", "guest_memfd"},
	{"set_memory_attributes ", "memory attributes"},
	{"pre_fault ", "pre-fault"},
};

/* The calls around the dirty log and the module's parameters. */
static const struct {
	const char *line;
	bool (*parse)(struct scan scan, struct event *event);
} calls[] = {
	{"enable_cap ", capability},	 {"get_dirty_log ", get_log},
	{"clear_dirty_log ", clear_log}, {"ring[", ring_entry},
	{"write ", parameter},		 {"reset_dirty_rings ", reset_result},
	{"set_sregs ", sregs},
};

static bool host(struct scan scan, struct event *event)
{
	if (scan_try(&scan, "backing "))
		return backing(scan, event);
	if (scan_try(&scan, "set_memory_region2 ") || scan_try(&scan, "set_memory_region "))
		return region(scan, event);
	if (scan_try(&scan, "madvise(COLLAPSE) rc=0")) {
		event->kind = EVENT_COLLAPSE;
		return true;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (scan_try(&scan, calls[i].line))
			return calls[i].parse(scan, event);
	}
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (scan_try(&scan, features[i].line))
			return feature(event, features[i].needs);
	}
	return true; /* a system call whose effect the notifier lines show */
}

bool parse_marker(struct scan scan, struct event *event)
{
	event->kind = EVENT_MARKER;
	if (scan_try(&scan, "ACC "))
		return access(scan, event);
	if (scan_try(&scan, "EXIT "))
		return exit_line(scan, event);
	if (scan_try(&scan, "HOST "))
		return host(scan, event);
	if (scan_try(&scan, "PHASE "))
		return phase(scan, event);
	if (scan_try(&scan, "END "))
		event->kind = EVENT_END;
	return true;
}
