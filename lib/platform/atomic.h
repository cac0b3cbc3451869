/*
 * Shared words
 *
 * Every word that another actor may touch at the same time has one of these types, and is
 * accessed through these functions only. The memory order is part of an operation's name.
 * Each operation first calls the engine (engine_access()). The virtual engine may let
 * another actor run there, and charges the transfer of the cache line; the native engine's
 * call is empty.
 *
 * Names: <type>_<operation>_<order>. "cas" stores `desired` if the word holds
 * *expected, else refreshes *expected; it never fails spuriously.
 */
#ifndef TDPSIM_PLATFORM_ATOMIC_H
#define TDPSIM_PLATFORM_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"

#define CACHE_LINE 64

typedef struct {
	_Atomic(uint64_t) word;
} atomic_u64;

typedef struct {
	_Atomic(uint32_t) word;
} atomic_u32;

typedef struct {
	_Atomic(void *) word;
} atomic_ptr;

/*
 * Stores are release or stronger unless the name says relaxed; a relaxed
 * operation's caller says why it needs no order.
 */
#define SHARED_WORD_OPERATIONS(prefix, type, value_type)                                           \
	static inline void prefix##_init(type *at, value_type value)                               \
	{                                                                                          \
		atomic_init(&at->word, value);                                                     \
	}                                                                                          \
	static inline value_type prefix##_load_relaxed(const type *at)                             \
	{                                                                                          \
		engine_access(at, ENGINE_READ);                                                    \
		return atomic_load_explicit(&((type *)at)->word, memory_order_relaxed);            \
	}                                                                                          \
	static inline value_type prefix##_load_acquire(const type *at)                             \
	{                                                                                          \
		engine_access(at, ENGINE_READ);                                                    \
		return atomic_load_explicit(&((type *)at)->word, memory_order_acquire);            \
	}                                                                                          \
	static inline value_type prefix##_load_seq_cst(const type *at)                             \
	{                                                                                          \
		engine_access(at, ENGINE_READ);                                                    \
		return atomic_load_explicit(&((type *)at)->word, memory_order_seq_cst);            \
	}                                                                                          \
	static inline void prefix##_store_relaxed(type *at, value_type value)                      \
	{                                                                                          \
		engine_access(at, ENGINE_WRITE);                                                   \
		atomic_store_explicit(&at->word, value, memory_order_relaxed);                     \
	}                                                                                          \
	static inline void prefix##_store_release(type *at, value_type value)                      \
	{                                                                                          \
		engine_access(at, ENGINE_WRITE);                                                   \
		atomic_store_explicit(&at->word, value, memory_order_release);                     \
	}                                                                                          \
	static inline void prefix##_store_seq_cst(type *at, value_type value)                      \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		atomic_store_explicit(&at->word, value, memory_order_seq_cst);                     \
	}                                                                                          \
	static inline value_type prefix##_exchange_seq_cst(type *at, value_type value)             \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_exchange_explicit(&at->word, value, memory_order_seq_cst);           \
	}                                                                                          \
	static inline value_type prefix##_exchange_acq_rel(type *at, value_type value)             \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_exchange_explicit(&at->word, value, memory_order_acq_rel);           \
	}                                                                                          \
	static inline bool prefix##_cas_acq_rel(type *at, value_type *expected,                    \
						value_type desired)                                \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_compare_exchange_strong_explicit(                                    \
			&at->word, expected, desired, memory_order_acq_rel, memory_order_acquire); \
	}                                                                                          \
	static inline bool prefix##_cas_seq_cst(type *at, value_type *expected,                    \
						value_type desired)                                \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_compare_exchange_strong_explicit(                                    \
			&at->word, expected, desired, memory_order_seq_cst, memory_order_seq_cst); \
	}

#define SHARED_NUMBER_OPERATIONS(prefix, type, value_type)                                         \
	static inline value_type prefix##_add_relaxed(type *at, value_type addend)                 \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_fetch_add_explicit(&at->word, addend, memory_order_relaxed);         \
	}                                                                                          \
	static inline value_type prefix##_add_acq_rel(type *at, value_type addend)                 \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_fetch_add_explicit(&at->word, addend, memory_order_acq_rel);         \
	}                                                                                          \
	static inline value_type prefix##_add_seq_cst(type *at, value_type addend)                 \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_fetch_add_explicit(&at->word, addend, memory_order_seq_cst);         \
	}                                                                                          \
	static inline value_type prefix##_and_acq_rel(type *at, value_type mask)                   \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_fetch_and_explicit(&at->word, mask, memory_order_acq_rel);           \
	}                                                                                          \
	static inline value_type prefix##_or_acq_rel(type *at, value_type mask)                    \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_fetch_or_explicit(&at->word, mask, memory_order_acq_rel);            \
	}                                                                                          \
	static inline value_type prefix##_or_seq_cst(type *at, value_type mask)                    \
	{                                                                                          \
		engine_access(at, ENGINE_UPDATE);                                                  \
		return atomic_fetch_or_explicit(&at->word, mask, memory_order_seq_cst);            \
	}

SHARED_WORD_OPERATIONS(u64, atomic_u64, uint64_t)
SHARED_NUMBER_OPERATIONS(u64, atomic_u64, uint64_t)
SHARED_WORD_OPERATIONS(u32, atomic_u32, uint32_t)
SHARED_NUMBER_OPERATIONS(u32, atomic_u32, uint32_t)
SHARED_WORD_OPERATIONS(ptr, atomic_ptr, void *)

/*
 * Fills a whole table that no other actor can see yet: first, first + step, ... It is one
 * plain loop, because compilers do not vectorise loops of atomic stores.
 */
static inline void u64_init_series(atomic_u64 *at, size_t count, uint64_t first, uint64_t step)
{
	uint64_t *word = (uint64_t *)at;

	for (size_t i = 0; i < count; i++)
		word[i] = first + i * step;
}

_Static_assert(sizeof(atomic_u64) == sizeof(uint64_t), "an atomic word is a word");

/*
 * For code outside of actors, such as a signal handler: does not call the engine, so no
 * other actor runs here. Release.
 */
static inline void u32_store_from_outside(atomic_u32 *at, uint32_t value)
{
	atomic_store_explicit(&at->word, value, memory_order_release);
}

#undef SHARED_WORD_OPERATIONS
#undef SHARED_NUMBER_OPERATIONS

#endif
