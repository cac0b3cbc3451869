/*
 * Guest data. vCPUs of one VM, and the host, may touch the same bytes at the same time, as
 * on any machine. Each byte is a relaxed atomic, so that such a race belongs to the guest
 * and not to the simulator. The data publishes nothing.
 */
#ifndef TDPSIM_PLATFORM_BYTES_H
#define TDPSIM_PLATFORM_BYTES_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine.h"

static inline void bytes_load(void *to, const void *from, size_t bytes)
{
	const _Atomic(unsigned char) *source = from;
	unsigned char *target = to;

	engine_lines(from, bytes, ENGINE_READ);
	for (size_t i = 0; i < bytes; i++)
		target[i] = atomic_load_explicit((_Atomic(unsigned char) *)&source[i],
						 memory_order_relaxed);
}

static inline void bytes_store(void *to, const void *from, size_t bytes)
{
	_Atomic(unsigned char) *target = to;
	const unsigned char *source = from;

	engine_lines(to, bytes, ENGINE_WRITE);
	for (size_t i = 0; i < bytes; i++)
		atomic_store_explicit(&target[i], source[i], memory_order_relaxed);
}

#endif
