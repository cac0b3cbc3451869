/*
 * Costs are named where they happen. In the native engine a charge is nothing;
 * in virtual time it advances the acting actor's clock by what the machine's
 * description says.
 */
#ifndef TDPSIM_PLATFORM_CHARGE_H
#define TDPSIM_PLATFORM_CHARGE_H

#include <stddef.h>

#include "engine.h"

enum charge_kind {
	CHARGE_VM_EXIT,
	CHARGE_VM_ENTRY,
	CHARGE_IPI,
	CHARGE_TLB_FLUSH,
	CHARGE_PAGE_CLEAR,
	CHARGE_PAGE_ALLOC,
	CHARGE_KINDS,
};

/* `count` times the cost of `kind`, paid by the acting actor. */
static inline void charge(enum charge_kind kind, uint64_t count)
{
	engine_charge((unsigned int)kind, count);
}

/* Bulk reads and writes of a table: every line of [address, address + bytes). */
static inline void platform_lines(const void *address, size_t bytes, enum engine_kind kind)
{
	engine_lines(address, bytes, kind);
}

#endif
