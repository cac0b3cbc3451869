/*
 * A small guest for the tests of the MMU: a host, a VM with its vCPUs, memory for its slots, and
 *the events and reports of the VM. Results are read through the hardware's page walk, which shares
 *no code with lib/mmu.
 *
 *	static void a_sentence(void **state)
 *	{
 *		struct guest *guest = guest_make(state, .page = TDP_2M);
 *
 *		guest_slot(guest, 1, 512, 512, 0);
 *		guest_touch(guest, 600, TDP_WRITE);
 *		assert_int_equal(guest_level(guest, 600), TDP_2M);
 *	}
 *
 * The teardown runs the checker and destroys everything. It fails the test on a violation or a
 *leaked table frame.
 */
#ifndef TESTS_SUPPORT_GUEST_H
#define TESTS_SUPPORT_GUEST_H

#include <tdpsim/tdpsim.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define GUEST_VCPUS 4

struct guest;

/* The comment of a field is its meaning when it is zero. */
struct guest_config {
	struct tdp_vm_config vm;     /* latest, 4 levels; the kind of test sets the format */
	struct tdp_policy policy;    /* of the VM: as the baseline */
	struct tdp_host_config host; /* 8 GiB, maxphyaddr 46, 4 GiB of it carve-out */
	enum tdp_level page;	     /* of the anonymous memory: 4K */
	uint64_t bytes;		     /* of it: 64 MiB, with 1G pages 2 GiB */
	bool scripted;		     /* slots use the scripted backing instead */
	unsigned int vcpus;	     /* 1 */
	struct tdp_vcpu_config vcpu; /* of all of them */
	bool untraced;		     /* keep no events, because several threads run */
	bool unchecked;		     /* no observer: no check, no events */
};

/* A backing that a test scripts; its frames are in the carve-out. */
struct guest_script {
	struct tdp_backing backing;
	struct tdp_host *host;
	unsigned int level;	/* of the mapping in the host process */
	int error;		/* of the next resolve */
	bool read_only, device; /* of the pages */
	uint64_t frame;		/* of every page; 0: those of the carve-out in turn */
	unsigned int resolved, released, released_writable;
	/* Called inside resolve(), after the page is chosen. */
	void (*inside)(struct guest *guest);
	struct guest *guest;
};

struct race; /* defined by a test */

struct guest {
	struct guest_config config; /* as used */
	struct tdp_host *host;
	struct tdp_vm *vm;
	struct tdp_vcpu *vcpu; /* vcpus[0] */
	struct tdp_vcpu *vcpus[GUEST_VCPUS];
	struct tdp_anon *anon;
	const struct tdp_backing *backing;
	struct guest_script script;
	struct tdp_host_memory before; /* before the VM was made */
	struct tdp_trace_event *events;
	size_t event_count, event_room;
	/* Called at each event, with the locks held there, to act between two steps. */
	void (*on_event)(struct guest *guest, const struct tdp_trace_event *event);
	struct race *race;
	char report[256]; /* the last one */
	unsigned int reports;
};

/* CMocka fixtures; the initial state is a format. */
int guest_setup(void **state);
int guest_teardown(void **state);
extern enum tdp_format guest_npt, guest_ept;

#define guest_test_named(name, body, kind)                                                         \
	{                                                                                          \
		name, body, guest_setup, guest_teardown, kind                                      \
	}
/* One format, or once with each. */
#define guest_test(body)     guest_test_named(#body, body, &guest_npt)
#define guest_test_ept(body) guest_test_named(#body " (ept)", body, &guest_ept)
#define guest_tests(body)    guest_test(body), guest_test_ept(body)

/* Makes the guest of the test; the fields given are those of struct guest_config. */
struct guest *guest_make_as(void **state, const struct guest_config *config);
#define guest_make(state, ...) guest_make_as(state, &(struct guest_config){__VA_ARGS__})
/* Likewise, but without the VM, for tests of tdp_vm_create(). */
struct guest *guest_make_host_as(void **state, const struct guest_config *config);
#define guest_make_host(state, ...) guest_make_host_as(state, &(struct guest_config){__VA_ARGS__})
/* Runs the checker, prints its violations and returns their number. */
uint64_t guest_violations(const struct guest *guest);
/* Ends the VM before the teardown does. */
void guest_end_vm(struct guest *guest);

/* Slots. `offset` is in pages of the backing. */
struct tdp_memslot guest_slot_of(const struct guest *guest, unsigned int id, uint64_t gfn,
				 uint64_t pages, uint64_t offset);
void guest_slot(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages,
		uint64_t offset);
void guest_slot_read_only(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages,
			  uint64_t offset);
void guest_slot_delete(struct guest *guest, unsigned int id);
/* Discards pages of the backing, as madvise() does. */
void guest_discard(struct guest *guest, uint64_t page, uint64_t pages);

/* Accesses of vCPU 0; gfns are numbers. */
struct tdp_access_result guest_access(struct guest *guest, uint64_t gpa, enum tdp_access access);
/* The access must be done. Returns how many exits it took. */
unsigned int guest_touch(struct guest *guest, uint64_t gfn, enum tdp_access access);
unsigned int guest_touch_on(struct tdp_vcpu *vcpu, uint64_t gfn, enum tdp_access access);

/* The hardware's walk under the root of vCPU 0, without updates of A and D. */
struct tdp_walk_config guest_walk_config(const struct guest *guest);
struct tdp_walk_result guest_walk(const struct guest *guest, uint64_t gfn, enum tdp_access access);
/* The level of the leaf that allows to read `gfn`, or TDP_NOT_MAPPED. */
enum tdp_level guest_level(const struct guest *guest, uint64_t gfn);
/* The entry at which the walk of `gfn` ends; the same without its frame. */
uint64_t guest_entry(const struct guest *guest, uint64_t gfn);
uint64_t guest_entry_bits(const struct guest *guest, uint64_t gfn);
/* The address of that entry, for tests that change it directly. */
uint64_t *guest_entry_at(const struct guest *guest, uint64_t gfn);
bool guest_writable(const struct guest *guest, uint64_t gfn);

struct tdp_stats guest_stats(const struct guest *guest);

/* The events since the last guest_forget(). */
void guest_forget(struct guest *guest);
size_t guest_count(const struct guest *guest, enum tdp_trace_kind kind);
/* The nth event of a kind, from 0; the test fails without it. */
const struct tdp_trace_event *guest_event(const struct guest *guest, enum tdp_trace_kind kind,
					  size_t nth);
/* Fails unless the kinds of all events are exactly these, in this order. */
void guest_expect_as(const struct guest *guest, const enum tdp_trace_kind *kinds, size_t count);
#define guest_expect(guest, ...)                                                                   \
	guest_expect_as(guest, (const enum tdp_trace_kind[]){__VA_ARGS__},                         \
			sizeof((const enum tdp_trace_kind[]){__VA_ARGS__}) /                       \
				sizeof(enum tdp_trace_kind))
/* RET_PF number of the last fault. */
int guest_fault_return(const struct guest *guest);
/* The number of spte_changed events from `old` to `new` at `level`, without frames. */
size_t guest_changes(const struct guest *guest, unsigned int level, uint64_t old, uint64_t new);

/* Fails unless err is `expected` and there was exactly one report since the last refusal. */
void guest_refused(struct guest *guest, int err, int expected);

/* Entry values of the format and the baseline. */
uint64_t guest_nonpresent(const struct guest *guest);
uint64_t guest_frozen(const struct guest *guest);

/* Fails unless pf_taken is the sum of the results. */
void guest_faults_add_up(const struct guest *guest);

#endif
