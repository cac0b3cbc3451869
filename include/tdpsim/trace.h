#ifndef TDPSIM_TRACE_H
#define TDPSIM_TRACE_H

#include <tdpsim/policy.h>

/**
 * Tracepoints of the MMU, in the order in which KVM emits them. The first group are
 * the kernel's own (systems kvm and kvmmmu), written in its ftrace text. The second
 * are moments at which the kernel has no tracepoint, but where a probe can be set.
 */
enum tdp_trace_kind {
	TDP_TRACE_PAGE_FAULT,		  /* kvm_page_fault */
	TDP_TRACE_FAST_PAGE_FAULT,	  /* fast_page_fault */
	TDP_TRACE_SPTE_REQUESTED,	  /* kvm_mmu_spte_requested */
	TDP_TRACE_GET_PAGE,		  /* kvm_mmu_get_page */
	TDP_TRACE_PREPARE_ZAP_PAGE,	  /* kvm_mmu_prepare_zap_page */
	TDP_TRACE_SPTE_CHANGED,		  /* kvm_tdp_mmu_spte_changed */
	TDP_TRACE_SET_SPTE,		  /* kvm_mmu_set_spte */
	TDP_TRACE_SPLIT_HUGE_PAGE,	  /* kvm_mmu_split_huge_page */
	TDP_TRACE_MARK_MMIO_SPTE,	  /* mark_mmio_spte */
	TDP_TRACE_CHECK_MMIO_SPTE,	  /* check_mmio_spte */
	TDP_TRACE_HANDLE_MMIO_PAGE_FAULT, /* handle_mmio_page_fault */
	TDP_TRACE_ZAP_ALL_FAST,		  /* kvm_mmu_zap_all_fast */
	TDP_TRACE_UNMAP_HVA_RANGE,	  /* kvm_unmap_hva_range */
	TDP_TRACE_DIRTY_RING_PUSH,	  /* kvm_dirty_ring_push */
	TDP_TRACE_DIRTY_RING_RESET, /* kvm_dirty_ring_reset: once for each ring, even an empty one
				     */
	TDP_TRACE_AGE_HVA,	    /* kvm_age_hva */
	TDP_TRACE_TEST_AGE_HVA,	    /* kvm_test_age_hva */
	TDP_TRACE_DIRTY_RING_EXIT,  /* kvm_dirty_ring_exit: the vCPU may not enter */

	TDP_TRACE_FAULT_RETURN, /* the fault handler returns */
	TDP_TRACE_FLUSH,	/* a remote TLB flush of the VM */
	TDP_TRACE_LOAD_ROOT,	/* a root is given to the hardware */
	TDP_TRACE_MARK_DIRTY,	/* a gfn enters the dirty log */
	TDP_TRACE_KINDS,
};

/** A page table in an event. */
struct tdp_trace_page {
	uint64_t gfn;
	uint64_t pfn;  /* its frame; not in the text */
	uint32_t role; /* Linux union kvm_mmu_page_role, in the layout of the event */
	uint32_t root_count;
	uint8_t generation; /* scheduled for zapping */
	bool created;	    /* kvm_mmu_get_page */
};

struct tdp_trace_event {
	enum tdp_trace_kind kind;
	int vcpu;		      /* acting vCPU, or -1 */
	uint64_t time;		      /* ns, of the clock of the run */
	enum tdp_entry_layout layout; /* of entries and roles; 7.2 prints some events otherwise */
	union {
		struct {
			uint64_t rip, address, error_code;
		} page_fault;
		struct {
			uint64_t address, error_code; /* PFERR bits */
			uint64_t entry_at;	      /* host-physical */
			uint64_t old_entry, new_entry;
			int result; /* RET_PF number (policy ret_pf) */
			bool spurious, fixed;
			bool narrow; /* the kernel keeps 32 bits of the error code (6.1) */
		} fast_page_fault;
		struct {
			uint64_t gfn, pfn;
			uint8_t level;
			uint32_t access; /* of the root's role; printed since 7.2 */
		} spte_requested;
		struct tdp_trace_page page; /* get_page, prepare_zap_page */
		struct {
			uint64_t gfn, old_entry, new_entry;
			uint8_t level, address_space;
		} spte_changed;
		struct {
			uint64_t gfn, entry, entry_at;
			uint8_t level;
			bool readable, writable, executable;
			bool user; /* EPT until 7.1: readable; since: executable for users */
		} set_spte;
		struct {
			uint64_t gfn, entry;
			int level, error;
		} split;
		struct {
			uint64_t gfn, entry_at;
			uint32_t access, generation;
		} mark_mmio;
		struct {
			uint64_t entry;
			uint32_t vm_generation, entry_generation;
			bool valid;
		} check_mmio;
		struct {
			uint64_t address, gfn;
			uint32_t access;
		} handle_mmio;
		struct {
			uint8_t generation;
			uint32_t used_pages;
		} zap_all_fast;
		struct {
			uint64_t start, end; /* hva */
		} unmap_hva, age_hva;
		struct {
			uint64_t hva;
		} test_age_hva;
		struct {
			unsigned int ring;     /* id of the vCPU that owns the ring */
			uint32_t dirty, reset; /* entries ever pushed and recycled */
			uint32_t slot;	       /* push: id, address space from bit 16 on */
			uint64_t offset;       /* push: of the page in its slot */
		} dirty_ring;
		struct {
			int result; /* RET_PF number, or a negative errno */
		} fault_return;
		struct {
			uint64_t gfn, pages; /* pages 0: all */
		} flush;
		struct {
			uint64_t root; /* host-physical */
			unsigned int level;
			unsigned int address_space;
		} load_root;
		struct {
			uint64_t gfn;
			unsigned int slot;
		} mark_dirty;
	};
};

typedef void (*tdp_trace_sink)(void *context, const struct tdp_trace_event *event);

/** The kernel's name of the event, such as "kvm_tdp_mmu_spte_changed". */
TDP_API const char *tdp_trace_name(enum tdp_trace_kind kind);

/**
 * Writes the event's text as the kernel prints it behind "name: ", without the
 * line's prefix. Like snprintf(): returns the length that was needed.
 */
TDP_API int tdp_trace_text(const struct tdp_trace_event *event, char *buffer, size_t size);

struct tdp_vm;

/**
 * Calls `sink` for the events in all vCPUs' rings, oldest first, and empties the
 * rings. No vCPU may run. Returns how many events were overwritten unread.
 */
TDP_API uint64_t tdp_trace_drain(struct tdp_vm *vm, tdp_trace_sink sink, void *context);

#endif
