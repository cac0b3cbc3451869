/* A vCPU's cache of free tables. See table_cache.h. */
#include "mmu/table_cache.h"

int table_cache_refill(struct mmu_context *context)
{
	struct mmu_actor *actor = &context->actor;

	while (context->tables.count < context->tables.needed) {
		struct table *table;
		int err = table_alloc(&actor->caller, actor->mmu->encoding.nonpresent, &table);

		if (err)
			return err;
		table_cache_return(context, table);
	}
	return 0;
}
