/*
 * The options of dirtylog.
 */
#ifndef BENCH_DIRTYLOG_OPTIONS_H
#define BENCH_DIRTYLOG_OPTIONS_H

#include "common/guest.h"

enum log_kind {
	LOG_BITMAP,
	LOG_RING,
};

struct dirtylog {
	struct guest_options guest; /* first, as driver.h requires */
	unsigned int iterations;    /* of dirty, get, clear */
	bool no_manual_protect;
	bool random_access;
	bool run_while_disabling;
	enum log_kind log;
	unsigned int ring_entries;
};

/* 4K pages of a vCPU, and of the guest. */
static inline uint64_t dirtylog_vcpu_pages(const struct dirtylog *options)
{
	return options->guest.bytes >> TDP_PAGE_SHIFT;
}

static inline uint64_t dirtylog_guest_pages(const struct dirtylog *options)
{
	return options->guest.guest_memory >> TDP_PAGE_SHIFT;
}

/* The first page of vCPU `vcpu`. */
static inline uint64_t dirtylog_vcpu_base(const struct dirtylog *options, unsigned int vcpu)
{
	return (guest_vcpu_address(&options->guest, vcpu) - GUEST_BASE) >> TDP_PAGE_SHIFT;
}

#endif
