/* A vCPU's cache of free tables: a fault allocates before it takes mmu_lock, never under it. */
#ifndef TDPSIM_MMU_TABLE_CACHE_H
#define TDPSIM_MMU_TABLE_CACHE_H

#include "mmu/context.h"

/* Fills the cache to what one fault can need. -ENOMEM. */
int table_cache_refill(struct mmu_context *context);

/* Does the cache hold less than one fault can need? */
static inline bool table_cache_lacks(const struct mmu_context *context)
{
	return context->tables.count < context->tables.needed;
}

/* Refills a cache that lacks tables. -ENOMEM. */
static inline int table_cache_fill(struct mmu_context *context)
{
	return table_cache_lacks(context) ? table_cache_refill(context) : 0;
}

static inline struct table *table_cache_take(struct mmu_context *context)
{
	CHECK(context->tables.count > 0);
	return context->tables.tables[--context->tables.count];
}

/* Returns a table that was taken and not linked. */
static inline void table_cache_return(struct mmu_context *context, struct table *table)
{
	context->tables.tables[context->tables.count++] = table;
}

#endif
