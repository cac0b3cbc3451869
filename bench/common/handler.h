/*
 * Faults without a guest: tdp_vcpu_fault() for each page of a vCPU, as if it had
 * touched the page and left with an exit. The same function handles every exit of
 * tdp_vcpu_access(); here it is alone between two readings of the clock.
 */
#ifndef BENCH_HANDLER_H
#define BENCH_HANDLER_H

#include "common/guest.h"

/* One vCPU's pages, and the order to fault in. */
struct handler {
	const struct guest *guest;
	unsigned int vcpu;
	uint32_t *order; /* step i's page; NULL: in turn */
	bool present;	 /* the faults tell that the page is mapped: a right is missing */
};

/* What one pass over the pages came to. */
struct handler_pass {
	uint64_t ready, finished; /* ns */
	uint64_t cpu_ns;	  /* of the vCPU's own actor, in between */
	uint64_t pages;		  /* handled */
	uint64_t faults;	  /* that it took: one each, and retries */
};

/* Draws up the order, where it is random, before any clock runs. -ENOMEM. */
int handler_init(struct handler *handler, const struct guest *guest, unsigned int vcpu);
void handler_fini(struct handler *handler);

/*
 * Handles a fault of each page, a write where the guest writes at all. To be called
 * by the vCPU's actor, its root loaded. Comes to an end early when `stop` is raised.
 * 0, or a negative errno: -EFAULT where a fault was neither fixed nor spurious.
 */
int handler_run(const struct handler *handler, const struct tdp_flag *stop,
		struct handler_pass *pass);

/*
 * All vCPUs of the guest fault in all their pages, each in its own actor. Adds up
 * the passes in *total. What stopped a vCPU has been told on standard error.
 */
int handler_populate(const struct guest *guest, const struct tdp_flag *stop,
		     struct handler_pass *total);

/* The same where all is mapped, and protected. */
int handler_unprotect(const struct guest *guest, const struct tdp_flag *stop,
		      struct handler_pass *total);

/* Adds one vCPU's pass to what others' came to: from the first one's begin to the last one's end.
 */
void handler_add(struct handler_pass *total, const struct handler_pass *pass);

#endif
