/*
 * Faults without a running guest: calls tdp_vcpu_fault() for each page of a vCPU, as if the vCPU
 * had touched the page and exited. tdp_vcpu_access() calls the same function for every exit; here
 * nothing else is between two readings of the clock.
 */
#ifndef BENCH_HANDLER_H
#define BENCH_HANDLER_H

#include "common/guest.h"

/* The pages of one vCPU, and the order in which to fault them in. */
struct handler {
	const struct guest *guest;
	unsigned int vcpu;
	uint32_t *order; /* the page of step i; NULL: ascending */
	bool present;	 /* the error code says that the page is mapped and lacks a right */
};

/* The result of one pass over the pages. */
struct handler_pass {
	uint64_t ready, finished; /* ns */
	uint64_t cpu_ns;	  /* of the vCPU's actor between the two */
	uint64_t pages;		  /* handled */
	uint64_t faults;	  /* one for each page, and retries */
};

/* Computes the order before anything is timed. 0 or -ENOMEM. */
int handler_init(struct handler *handler, const struct guest *guest, unsigned int vcpu);
void handler_fini(struct handler *handler);

/*
 * Handles a fault of each page: a write, unless the guest only reads. The vCPU's actor calls it
 * with a root loaded. Ends early when `stop` is raised. 0, or a negative errno; -EFAULT if a fault
 * was neither fixed nor spurious.
 */
int handler_run(const struct handler *handler, const struct tdp_flag *stop,
		struct handler_pass *pass);

/*
 * All vCPUs of the guest fault in all their pages, each in its own actor. Adds their passes to
 * *total. Returns 0, or a negative errno after printing the reason.
 */
int handler_populate(const struct guest *guest, const struct tdp_flag *stop,
		     struct handler_pass *total);

/* Likewise for pages that are mapped and write-protected. */
int handler_unprotect(const struct guest *guest, const struct tdp_flag *stop,
		      struct handler_pass *total);

/* Adds the pass of one vCPU: the total lasts from the first start to the last end.
 */
void handler_add(struct handler_pass *total, const struct handler_pass *pass);

#endif
