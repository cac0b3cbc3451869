/*
 * Code names a cost where it arises. The native engine ignores a charge; in virtual time
 * it advances the acting actor's clock by the cost that the machine's description states.
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

/* Charges the acting actor `count` times the cost of `kind`. */
static inline void charge(enum charge_kind kind, uint64_t count)
{
	engine_charge((unsigned int)kind, count);
}

/* Announces a bulk read or write of a table to the engine: all lines of [address, + bytes). */
static inline void platform_lines(const void *address, size_t bytes, enum engine_kind kind)
{
	engine_lines(address, bytes, kind);
}

#endif
