/*
 * The guest that a driver measures: its parameters, and the host, VM, memslots and vCPUs that are
 * made from them.
 *
 * Memory begins at 4 GiB, where no PC has holes, and is divided evenly into
 * slots. vCPU i owns the bytes [i * bytes, (i + 1) * bytes) of it, or with overlap all vCPUs own
 * the first `bytes`.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <tdpsim/tdpsim.h>

#include "common/allocator.h"
#include "common/parameter.h"

#define GUEST_VCPUS_MOST 4096 /* KVM_MAX_VCPUS */
#define GUEST_BASE	 ((uint64_t)4 << 30)

enum guest_order {
	GUEST_SEQUENTIAL,
	GUEST_RANDOM,
};

enum guest_clock {
	GUEST_CLOCK_REAL,
	GUEST_CLOCK_VIRTUAL,
};

/* The clock of this build, see twin.h. */
#ifdef TDPSIM_VIRTUAL
#define GUEST_CLOCK_OWN GUEST_CLOCK_VIRTUAL
#else
#define GUEST_CLOCK_OWN GUEST_CLOCK_REAL
#endif

struct guest_options {
	unsigned int vcpus;
	uint64_t bytes;		/* of each vCPU */
	uint64_t guest_memory;	/* 0: the memory of all vCPUs */
	enum tdp_level backing; /* size of the host's pages */
	enum tdp_anon_policy allocate;
	enum tdp_format format;
	unsigned int levels;
	enum tdp_choice ad; /* the CPU keeps accessed and dirty flags */
	enum guest_order order;
	bool overlap;
	unsigned int slots; /* 0: as few as the size limit of a slot allows */
	unsigned int write_percent;
	const char *pin; /* list of CPUs, or NULL */
	enum tdp_baseline baseline;
	struct tdp_policy policy;
	unsigned int iterations; /* repetitions */
	enum guest_clock clock;
	const char *machine; /* of virtual time, or NULL */
	uint64_t seed;
	bool check;
	bool no_stalls;
	bool no_limits; /* LIMITS_PARAMETER */
	/*
	 * Set by a driver, not an option: its vCPUs access every 4K page, whatever the backing
	 * size. The memory of a vCPU then need not be whole backing pages, only that of the guest.
	 */
	bool small_steps;
	/* Likewise: how writes are logged, see struct tdp_vm_config. */
	enum tdp_manual_protect manual_protect;
	unsigned int dirty_ring;
};

/* The defaults, as --help states them. */
#define GUEST_DEFAULTS                                                                             \
	{                                                                                          \
		.vcpus = 1, .bytes = (uint64_t)1 << 30, .backing = TDP_4K, .levels = 4,            \
		.ad = TDP_ON, .write_percent = 100, .iterations = 1, .clock = GUEST_CLOCK_OWN,     \
		.seed = 1, .policy = {                                                             \
			.size = sizeof(struct tdp_policy)                                          \
		}                                                                                  \
	}

/* --no-limits, a row for the parameters of a driver that reports limits (driver.h). */
#define LIMITS_PARAMETER                                                                           \
	{                                                                                          \
		"no-limits", 0, NULL, "do not measure the limits of the machine", &parameter_flag, \
			.offset = offsetof(struct guest_options, no_limits)                        \
	}

/* The tables, for a driver whose options begin with a struct guest_options. */
extern const struct parameters guest_parameters;
/* Each call fills the same static table. */
struct parameters policy_parameters(void);
/* --iterations, for drivers that do not use the name for something else. */
extern const struct parameters iterations_parameters;

/*
 * Fills in options that depend on others. Returns false, with a sentence in `why`, if options
 * contradict each other or ask for more than the address width holds.
 */
bool guest_options_settle(struct guest_options *options, char *why, size_t size);

/* The backing pages of vCPU `i`: address of the first one, and number. */
uint64_t guest_vcpu_address(const struct guest_options *options, unsigned int i);
uint64_t guest_vcpu_pages(const struct guest_options *options);
/* Distinct backing pages of all vCPUs. */
uint64_t guest_distinct_pages(const struct guest_options *options);

struct guest {
	struct guest_options options; /* as used */
	struct allocator allocator;
	struct tdp_host *host;
	struct tdp_anon *memory;
	struct tdp_vm *vm;
	struct tdp_vcpu **vcpus;  /* options.vcpus of them */
	uint64_t resident_before; /* the process's resident bytes before the VM was made */
};

/*
 * Makes the host, memory, VM and vCPUs. Returns 0, or a negative errno after printing the reason;
 * nothing is left then. `trace` may be NULL. guest_fini() ends the guest.
 */
int guest_init(struct guest *guest, const struct guest_options *options, tdp_trace_sink trace,
	       void *trace_context);
void guest_fini(struct guest *guest);

/* Why an access failed, for a sentence. */
const char *guest_outcome(enum tdp_outcome outcome);

/* Slot `i`, from 0, of those that divide the memory, for tdp_vm_set_memslot(). */
struct tdp_memslot guest_slot(const struct guest *guest, unsigned int i);

#endif
