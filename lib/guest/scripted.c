/* A page source over a scripted backing. See scripted.h. */
#include "guest/scripted.h"

#include <inttypes.h>

#include "host/report.h"

/* The level is asked under mmu_lock: a program may change it as it likes. */
static struct source_page page_of(const struct tdp_backing_page *found)
{
	return (struct source_page){
		.pfn = found->pfn,
		.writable = found->writable,
		.device = found->device,
	};
}

/* Else its bits could be software bits of an entry, or its writes go to a page table. */
static bool is_data_frame(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return pfn.n >= host->data_first && pfn.n < host->frames;
}

static int scripted_resolve(const struct page_source *source, struct host_caller *caller,
			    uint64_t index, bool write, struct source_page *page)
{
	const struct tdp_backing *backing = source->backing;
	uint64_t hva = source_hva(source, index);
	struct tdp_backing_page found;
	int err = backing->ops->resolve(backing->context, caller, hva, write, &found);

	if (err)
		return err;
	*page = page_of(&found);
	if (is_data_frame(caller->host, found.pfn))
		return 0;
	host_report(caller->host,
		    "the backing's page at hva 0x%" PRIx64 " has frame 0x%" PRIx64
		    ", which is no data frame of the host",
		    hva, found.pfn.n);
	if (backing->ops->release)
		backing->ops->release(backing->context, hva, &found, false);
	return -EFAULT;
}

static void scripted_release(const struct page_source *source, uint64_t index,
			     const struct source_page *page, bool mapped_writable)
{
	const struct tdp_backing *backing = source->backing;

	struct tdp_backing_page found = {
		.pfn = page->pfn,
		.writable = page->writable,
		.device = page->device,
	};

	if (backing->ops->release)
		backing->ops->release(backing->context, source_hva(source, index), &found,
				      mapped_writable);
}

/* A backing that says "not mapped" for a hole means 4K, as a hole in the host's tables does. */
static unsigned int scripted_level(const struct page_source *source, uint64_t index)
{
	const struct tdp_backing *backing = source->backing;
	unsigned int level = backing->ops->level(backing->context, source_hva(source, index));

	return level ? level : TDP_4K;
}

static int scripted_peek(const struct page_source *source, uint64_t index, struct source_page *page)
{
	const struct tdp_backing *backing = source->backing;

	struct tdp_backing_page found;
	int err;

	if (!backing->ops->peek)
		return -EAGAIN;
	err = backing->ops->peek(backing->context, source_hva(source, index), &found);
	if (!err)
		*page = page_of(&found);
	return err;
}

static const struct page_source_ops scripted_ops = {
	.resolve = scripted_resolve,
	.release = scripted_release,
	.level = scripted_level,
	.peek = scripted_peek,
};

struct page_source *scripted_create(struct tdp_host *host, const struct tdp_backing *backing)
{
	struct page_source *source = host_allocate(host, sizeof(*source));

	if (source)
		*source = (struct page_source){
			.ops = &scripted_ops,
			.max_level = backing->max_level ? (uint8_t)backing->max_level
							: TDP_LEAF_LEVEL_MAX,
			.has_addresses = true,
			.backing = backing,
		};
	return source;
}

void scripted_destroy(struct tdp_host *host, struct page_source *source)
{
	host_release(host, source, sizeof(*source));
}
