/*
 * Anonymous memory of the host's process, as mmap() and madvise() offer it
 *
 * A discard calls the notifiers' begin, frees the frames, and calls their end.
 * Between begin and end nothing maps the range. A resolver that found a frame just
 * before it was freed still has its number, and the frame may have a new owner:
 * resolve() takes no reference, as KVM does not keep one either. Whoever maps what
 * resolve() returned must therefore
 *
 *   - read his invalidation sequence before the call, and
 *   - check under his lock, before he maps, that since then no invalidation of
 *     that page has begun (mmu_invalidate_retry_gfn() in include/linux/kvm_host.h,
 *     6.12); else he throws the answer away and asks again.
 *
 * The begin callback moves the sequence, so it is the notifier that makes reuse
 * safe. What a fresh page holds is not modelled: memory that comes back keeps its
 * old contents. There is no zero page either, so a read allocates as a write does
 * and a page is writable from its first touch.
 */
#include "host/anon.h"

#include <errno.h>
#include <inttypes.h>

#include "host/hugetlb.h"
#include "host/notify.h"
#include "host/report.h"

/* The user half of a process with four levels of tables. */
#define ANON_BYTES_MAX ((uint64_t)1 << 47)
#define HVA_ALIGNMENT  tdp_level_bytes(TDP_1G)

static bool anon_holds(const struct tdp_anon *anon, uint64_t hva)
{
	return hva >= anon->backing.hva && hva - anon->backing.hva < anon->backing.bytes;
}

static uint64_t page_of(const struct tdp_anon *anon, uint64_t hva)
{
	return (hva - anon->backing.hva) >> TDP_PAGE_SHIFT;
}

/* Users resolve without a caller of their own. */
static int fill_by_anyone(struct tdp_anon *anon, struct host_caller *caller, uint64_t page,
			  struct mapped_page *found)
{
	struct host_caller *borrowed;
	int err;

	if (caller)
		return page_map_fill(&anon->map, caller, page, found);
	borrowed = host_caller_get(anon->host);
	if (!borrowed)
		return -ENOMEM;
	err = page_map_fill(&anon->map, borrowed, page, found);
	host_caller_put(borrowed);
	return err;
}

static int anon_resolve(void *context, void *caller, uint64_t hva, bool write,
			struct tdp_backing_page *page)
{
	struct tdp_anon *anon = context;
	struct mapped_page found;
	int err = 0;

	if (!anon_holds(anon, hva) || (write && anon->config.read_only))
		return -EFAULT;
	if (!page_map_find(&anon->map, page_of(anon, hva), &found))
		err = fill_by_anyone(anon, caller, page_of(anon, hva), &found);
	if (!err)
		*page = (struct tdp_backing_page){.pfn = found.pfn,
						  .writable = !anon->config.read_only};
	return err;
}

static unsigned int anon_level(void *context, uint64_t hva)
{
	const struct tdp_anon *anon = context;

	return anon_holds(anon, hva) ? page_map_level(&anon->map, page_of(anon, hva)) : TDP_4K;
}

static int anon_peek(void *context, uint64_t hva, struct tdp_backing_page *page)
{
	const struct tdp_anon *anon = context;
	struct mapped_page found;
	int err;

	if (!anon_holds(anon, hva))
		return -ENOENT;
	err = page_map_peek(&anon->map, page_of(anon, hva), &found);
	if (!err)
		*page = (struct tdp_backing_page){.pfn = found.pfn,
						  .writable = !anon->config.read_only};
	return err;
}

static const struct tdp_backing_ops anon_ops = {
	.resolve = anon_resolve,
	.level = anon_level,
	.peek = anon_peek,
};

struct tdp_anon *anon_behind(const struct tdp_backing *backing)
{
	struct tdp_anon *anon;

	if (!backing || backing->ops != &anon_ops)
		return NULL;
	anon = backing->context;
	return backing == &anon->backing ? anon : NULL;
}

static int refuse(struct tdp_host *host, const char *field, uint64_t value, const char *rule)
{
	host_report(host, "%s is %" PRIu64 ": %s", field, value, rule);
	return -EINVAL;
}

static int anon_config_check(struct tdp_host *host, const struct tdp_anon_config *config)
{
	if (config->size != 0 && config->size != sizeof(*config))
		return refuse(host, "size", config->size,
			      "it must be 0 or sizeof(struct tdp_anon_config)");
	if ((unsigned int)config->page > TDP_1G)
		return refuse(host, "page", config->page, "it must be TDP_4K, TDP_2M or TDP_1G");
	if ((unsigned int)config->policy > TDP_ANON_PAGES)
		return refuse(host, "policy", config->policy,
			      "it must be TDP_ANON_EXTENTS or TDP_ANON_PAGES");
	if (config->node < 0 || (unsigned int)config->node > host->config.nodes)
		return refuse(host, "node", (uint64_t)(unsigned int)config->node,
			      "it must be 0, or a node of the host plus one");
	if (config->bytes == 0 || config->bytes > ANON_BYTES_MAX)
		return refuse(host, "bytes", config->bytes, "it must lie between 1 and 2^47");
	if (config->bytes % tdp_level_bytes(config->page ? config->page : TDP_4K))
		return refuse(host, "bytes", config->bytes,
			      "it must be a multiple of the page size");
	return 0;
}

static uint64_t page_bytes(const struct tdp_anon *anon)
{
	return tdp_level_bytes(anon->config.page);
}

static int anon_reserve(struct tdp_anon *anon)
{
	uint64_t pages = anon->config.bytes / page_bytes(anon);

	if (!hugetlb_has_pool(anon->host, anon->config.page))
		return 0;
	if (hugetlb_reserve(anon->host, anon->config.page, pages)) {
		host_report(anon->host,
			    "the mapping needs %" PRIu64 " pages of %" PRIu64
			    " MiB: not as many are set aside and unreserved",
			    pages, page_bytes(anon) >> 20);
		return -ENOMEM;
	}
	anon->source = FOLIO_RESERVED;
	return 0;
}

static void anon_unreserve(struct tdp_anon *anon)
{
	if (anon->source == FOLIO_RESERVED)
		hugetlb_unreserve(anon->host, anon->config.page,
				  anon->config.bytes / page_bytes(anon));
}

static int anon_make_map(struct tdp_anon *anon)
{
	const struct tdp_anon_config *config = &anon->config;
	bool extents = config->page == TDP_4K && config->policy == TDP_ANON_EXTENTS;

	return page_map_init(&anon->map, &(struct page_map_config){
						 .host = anon->host,
						 .pages = config->bytes >> TDP_PAGE_SHIFT,
						 .record_level = extents ? TDP_2M : config->page,
						 .tracks_pages = extents,
						 .level = config->page,
						 .node = config->node - 1,
						 .source = anon->source,
					 });
}

/* An address range that no other mapping of the host has had, with a hole behind it. */
static void anon_place(struct tdp_anon *anon)
{
	uint64_t bytes = (anon->config.bytes + 2 * HVA_ALIGNMENT - 1) & ~(HVA_ALIGNMENT - 1);

	anon->backing = (struct tdp_backing){
		.ops = &anon_ops,
		.context = anon,
		.hva = u64_add_relaxed(&anon->host->next_hva, bytes),
		.bytes = anon->config.bytes,
		.max_level = anon->config.page,
	};
}

static int refuse_metadata(struct tdp_host *host, const struct tdp_anon_config *config)
{
	host_report(host, "no metadata for a mapping of %" PRIu64 " MiB", config->bytes >> 20);
	return -ENOMEM;
}

static int anon_init(struct tdp_anon *anon)
{
	int err = anon_reserve(anon);

	if (err)
		return err;
	if (anon_make_map(anon)) {
		anon_unreserve(anon);
		return refuse_metadata(anon->host, &anon->config);
	}
	anon_place(anon);
	return 0;
}

int tdp_anon_create(struct tdp_host *host, const struct tdp_anon_config *config,
		    struct tdp_anon **result)
{
	struct tdp_anon *anon;
	int err;

	err = anon_config_check(host, config);
	if (err)
		return err;
	anon = host_allocate(host, sizeof(*anon));
	if (!anon)
		return refuse_metadata(host, config);
	anon->host = host;
	anon->config = *config;
	if (anon->config.page == TDP_NOT_MAPPED)
		anon->config.page = TDP_4K;
	err = anon_init(anon);
	if (err) {
		host_release(host, anon, sizeof(*anon));
		return err;
	}
	*result = anon;
	return 0;
}

void tdp_anon_destroy(struct tdp_anon *anon)
{
	if (!anon)
		return;
	page_map_fini(&anon->map);
	anon_unreserve(anon);
	host_release(anon->host, anon, sizeof(*anon));
}

const struct tdp_backing *tdp_anon_backing(const struct tdp_anon *anon)
{
	return &anon->backing;
}

int tdp_anon_discard(struct tdp_anon *anon, uint64_t offset, uint64_t bytes)
{
	uint64_t start = anon->backing.hva + offset;

	if (offset % page_bytes(anon) || bytes % page_bytes(anon))
		return refuse(anon->host, offset % page_bytes(anon) ? "offset" : "bytes",
			      offset % page_bytes(anon) ? offset : bytes,
			      "it must be a multiple of the page size");
	if (offset > anon->config.bytes || bytes > anon->config.bytes - offset)
		return refuse(anon->host, "offset plus bytes", offset + bytes,
			      "it lies outside of the mapping");
	if (bytes == 0)
		return 0;
	tdp_host_invalidate_begin(anon->host, start, start + bytes);
	page_map_discard(&anon->map, offset >> TDP_PAGE_SHIFT, (offset + bytes) >> TDP_PAGE_SHIFT);
	tdp_host_invalidate_end(anon->host, start, start + bytes);
	return 0;
}

uint64_t tdp_anon_touched(const struct tdp_anon *anon)
{
	return page_map_touched(&anon->map);
}
