/*
 * An event of a trace. Numbers are as printed; nothing here is interpreted.
 *
 * Strings are borrowed from the text of the trace that the event came from.
 */
#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
	EVENT_IGNORED,

	/* What the MMU did, and what calls returned: output, which a replay compares. */
	EVENT_PAGE_FAULT,
	EVENT_FAST_PAGE_FAULT,
	EVENT_SPTE_REQUESTED,
	EVENT_GET_PAGE,
	EVENT_ZAP_PAGE,
	EVENT_SPTE_CHANGED,
	EVENT_SET_SPTE,
	EVENT_SPLIT,
	EVENT_MARK_MMIO,
	EVENT_CHECK_MMIO,
	EVENT_RETURN,
	EVENT_MARK_DIRTY,
	EVENT_FLUSH,
	EVENT_LOAD_ROOT,
	EVENT_ZAP_ALL_FAST,
	EVENT_MISCONFIG,
	EVENT_RING_PUSH,
	EVENT_RING_RESET,
	EVENT_REGION_RESULT,
	EVENT_LOG_RESULT,
	EVENT_RESET_RESULT,
	EVENT_RING_ENTRY, /* of a dirty ring, as user space reads it */
	EVENT_EXIT,

	/* What happened to the MMU: input, which a replay drives. */
	EVENT_UNMAP,
	EVENT_AGE,
	EVENT_TEST_AGE,
	EVENT_SMM,
	EVENT_NX_RECOVERY, /* one for each table that a round zaps */
	EVENT_PHASE,
	EVENT_ACCESS,
	EVENT_BACKING,
	EVENT_REGION,
	EVENT_SREGS,
	EVENT_COLLAPSE,
	EVENT_CAPABILITY,
	EVENT_GET_LOG,
	EVENT_CLEAR_LOG,
	EVENT_PARAMETER, /* of the module; the line stands behind the effect of the write */
	EVENT_FEATURE,	 /* a HOST line of a call that a replay cannot make */
	EVENT_MARKER,	 /* any other P: line; it ends the interval of an access */
	EVENT_END,
	EVENT_KINDS,
};

/* What a PHASE line starts, as far as a replay depends on it. */
enum phase_kind {
	PHASE_OTHER,
	PHASE_CREATE,
	PHASE_WARM,
	PHASE_PARALLEL,
	PHASE_RESET_RINGS,
	PHASE_DESTROY,
};

enum module_parameter {
	PARAMETER_NX_HUGE_PAGES,
	PARAMETER_NX_RATIO,
	PARAMETER_OTHER,
};

enum access_op {
	ACCESS_READ,
	ACCESS_WRITE,
	ACCESS_ADD,
	ACCESS_EXECUTE,
	ACCESS_CR0,
	ACCESS_CR3,
	ACCESS_CR4,
	ACCESS_EFER,
	ACCESS_WARM, /* NOP; HLT; it has no line of its own */
};

enum exit_kind {
	EXIT_MMIO,
	EXIT_REASON,
	EXIT_FAILED,
	EXIT_MEMORY_FAULT,
};

#define TASKS_MAX	 64 /* of a trace; any further tasks share the last number */
#define FEATURE_NAME_MAX 40
#define ROLE_TEXT_MAX	 64

struct event {
	enum event_kind kind;
	unsigned int line; /* of the file, from 1; in a trace.dat the number of the record */
	unsigned int cpu;  /* of the host */
	unsigned int task; /* a small number that stands for the task's name and pid */
	bool vmm;	   /* the task writes markers: it is no kernel thread */
	const char *text;  /* the event as printed; no 0 ends it */
	size_t length;
	union {
		struct {
			unsigned int vcpu;
			uint64_t rip, address, error_code;
		} page_fault;
		struct {
			unsigned int vcpu;
			uint64_t gva, flags, old_spte, new_spte;
			int64_t spurious, fixed;
		} fast;
		struct {
			uint64_t gfn, pfn;
			unsigned int level, access;
			bool has_access; /* printed from 7.2 on */
		} requested;
		struct {
			uint64_t gfn;
			unsigned int level;
			char role[ROLE_TEXT_MAX]; /* "8-byte q0 direct wux nxe ad" */
		} page;
		struct {
			unsigned int as_id, level;
			uint64_t gfn, old_spte, new_spte;
		} changed;
		struct {
			uint64_t gfn, spte;
			unsigned int level;
			char rights[5]; /* "rwxu" */
		} set;
		struct {
			uint64_t gfn, spte;
			unsigned int level;
			int64_t err;
		} split;
		struct {
			uint64_t gfn, generation;
			unsigned int access;
		} mark_mmio;
		struct {
			uint64_t spte, kvm_generation, spte_generation;
			unsigned int valid;
		} check_mmio;
		struct {
			int64_t value;
		} ret;
		struct {
			uint64_t gfn;
		} dirty;
		struct {
			uint64_t root;
			unsigned int level; /* 0: the line does not say */
		} load;
		struct {
			uint64_t generation;
		} zap_all;
		struct {
			enum exit_kind kind;
			unsigned int vcpu;
			bool write;
			uint64_t gpa, bytes, flags, reason;
			int64_t err;
		} exit;
		struct {
			uint64_t start, end; /* host addresses of any alignment */
		} range;
		struct {
			unsigned int vcpu;
			bool entering;
		} smm;
		struct {
			enum phase_kind kind;
			unsigned int vm_type, vcpus;
		} phase;
		struct {
			unsigned int vcpu;
			enum access_op op;
			uint64_t gpa, value;
		} access;
		struct {
			uint64_t hva, bytes;
			unsigned int level; /* 0: transparent huge pages; faults show the level */
			bool pretouched;
		} backing;
		struct {
			unsigned int as_id, slot, flags;
			uint64_t gpa, bytes, hva;
		} region;
		struct {
			int64_t rc, err;
		} result;
		struct {
			unsigned int vcpu;
			uint64_t cr0, cr3, cr4, efer;
		} sregs;
		struct {
			int64_t rc, err;
			bool has_pages; /* a read of the log lists pages */
			uint64_t dirty;
			size_t gfns; /* offset in the text of the list, "0x40000+8 0x40010+4" */
		} log_result;
		struct {
			unsigned int ring;
			uint64_t dirty, reset, slot, offset, used;
		} ring;
		struct {
			uint64_t index, flags, slot, offset;
		} ring_entry;
		struct {
			unsigned int as_id, slot;
			uint64_t first, pages; /* of a clear */
		} log;
		struct {
			enum module_parameter name;
			uint64_t value;
		} parameter;
		struct {
			uint64_t capability, argument;
			int64_t rc;
		} capability;
		struct {
			char name[FEATURE_NAME_MAX]; /* "dirty logging" */
		} feature;
	} u;
};

/* Is it output? */
static inline bool event_is_output(const struct event *event)
{
	return event->kind >= EVENT_PAGE_FAULT && event->kind <= EVENT_EXIT;
}

/* Did the program under KVM write the line, and not KVM? */
static inline bool event_is_marker(const struct event *event)
{
	return (event->kind >= EVENT_REGION_RESULT && event->kind <= EVENT_EXIT) ||
	       event->kind >= EVENT_PHASE;
}

#endif
