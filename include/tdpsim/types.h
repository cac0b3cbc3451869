#ifndef TDPSIM_TYPES_H
#define TDPSIM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Marks what the shared library exports; C++ sees it with C linkage. */
#ifdef __cplusplus
#define TDP_API extern "C" __attribute__((visibility("default")))
#else
#define TDP_API __attribute__((visibility("default")))
#endif

/**
 * Configs grow: each begins with `size_t size`, set to the sizeof of its struct, and
 * later releases append fields to it. All zero means the defaults, so
 *
 * - a config of a program that was built with an older header is taken as it is, and
 *   the fields that its struct lacks are 0;
 * - one of a newer header is taken if what this library does not know is all 0, and
 *   refused with -EINVAL otherwise;
 * - size 0 stands for the fields of the first release of libtdpsim.so.0, in every later
 *   one too. Before that release it stands for the whole struct of this header. Whoever
 *   sets a field that a later release appended sets the size.
 *
 * A size below sizeof(size_t) or above 4096 is refused with -EINVAL.
 */

#define TDP_PAGE_SHIFT 12
#define TDP_PAGE_SIZE  ((uint64_t)1 << TDP_PAGE_SHIFT)

/** A guest frame number: a guest-physical address without its low 12 bits. */
typedef struct {
	uint64_t n;
} tdp_gfn_t;

/** A host frame number: a host-physical address without its low 12 bits. */
typedef struct {
	uint64_t n;
} tdp_pfn_t;

static inline tdp_gfn_t tdp_gfn(uint64_t n)
{
	tdp_gfn_t gfn = {n};

	return gfn;
}

static inline tdp_pfn_t tdp_pfn(uint64_t n)
{
	tdp_pfn_t pfn = {n};

	return pfn;
}

/** Levels of a paging structure; a leaf maps 4 KiB, 2 MiB or 1 GiB. */
enum tdp_level {
	TDP_NOT_MAPPED = 0,
	TDP_4K = 1,
	TDP_2M = 2,
	TDP_1G = 3,
	TDP_LEVEL_4 = 4,
	TDP_LEVEL_5 = 5,
};

#define TDP_LEVEL_MAX	   5
#define TDP_LEAF_LEVEL_MAX 3

/** 4 KiB pages that an entry at `level` spans: 512^(level - 1). */
static inline uint64_t tdp_level_pages(unsigned int level)
{
	return (uint64_t)1 << (9 * (level - 1));
}

/** Bytes that an entry at `level` spans. */
static inline uint64_t tdp_level_bytes(unsigned int level)
{
	return tdp_level_pages(level) << TDP_PAGE_SHIFT;
}

/** The first gfn of the entry at `level` that holds `gfn`. */
static inline tdp_gfn_t tdp_gfn_round(tdp_gfn_t gfn, unsigned int level)
{
	return tdp_gfn(gfn.n & ~(tdp_level_pages(level) - 1));
}

/** What a guest instruction does to memory. */
enum tdp_access {
	TDP_READ,
	TDP_WRITE,
	TDP_FETCH,
};

/** The two entry formats of the second level. */
enum tdp_format {
	TDP_NPT, /* AMD nested paging: APM vol. 2, 15.25 */
	TDP_EPT, /* Intel EPT: SDM vol. 3, 29.3 */
};

#endif
