/*
 * Anonymous memory of the host's process, as mmap() and madvise() offer it
 *
 * A discard reports its begin to the notifiers, frees the frames, and reports its end. Between
 * begin and end nothing maps the range. A resolver that found a frame just before it was freed
 * still has its number, and the frame may have a new owner: resolve() takes no reference, as KVM
 * keeps none either. Whoever maps what resolve() returned must therefore
 *
 *   - read its invalidation sequence before the call, and
 *   - check under its lock, before it maps, that no invalidation of that page has begun since
 *     (mmu_invalidate_retry_gfn() in include/linux/kvm_host.h, 6.12); else drop the answer and
 *     begin again.
 *
 * The begin callback moves the sequence, so it is the notifier that makes reuse safe. The contents
 * of a fresh page are not modelled: memory that comes back keeps its old contents. There is no zero
 * page either, so a read allocates as a write does and a page is writable from its first touch.
 */
#include "guest/anon.h"

#include <errno.h>
#include <inttypes.h>

#include "host/hugetlb.h"
#include "host/report.h"
#include "platform/sized.h"

/* The user half of a process with four levels of tables. */
#define ANON_BYTES_MAX ((uint64_t)1 << 47)
#define HVA_ALIGNMENT  tdp_level_bytes(TDP_1G)

static const struct tdp_anon *anon_of(const struct page_source *source)
{
	return (const struct tdp_anon *)((const uint8_t *)source -
					 offsetof(struct tdp_anon, source));
}

static bool anon_holds(const struct tdp_anon *anon, uint64_t page)
{
	return page < anon->backing.bytes >> TDP_PAGE_SHIFT;
}

/* Users of the library resolve without a caller of their own. */
static int anon_fill(struct tdp_anon *anon, struct host_caller *caller, uint64_t page,
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

static struct source_page page_of(const struct tdp_anon *anon, struct mapped_page found)
{
	return (struct source_page){
		.pfn = found.pfn,
		.level = found.level,
		.writable = !anon->config.read_only,
	};
}

/* The caller has looked into the map. */
static int anon_resolve(const struct page_source *source, struct host_caller *caller,
			uint64_t index, bool write, struct source_page *page)
{
	const struct tdp_anon *anon = anon_of(source);
	struct mapped_page found;
	int err;

	if (!anon_holds(anon, index) || (write && anon->config.read_only))
		return -EFAULT;
	err = anon_fill((struct tdp_anon *)anon, caller, index, &found);
	if (!err)
		*page = page_of(anon, found);
	return err;
}

static unsigned int anon_level(const struct page_source *source, uint64_t index)
{
	const struct tdp_anon *anon = anon_of(source);

	return anon_holds(anon, index) ? page_map_level(&anon->map, index) : TDP_4K;
}

static int anon_peek(const struct page_source *source, uint64_t index, struct source_page *page)
{
	const struct tdp_anon *anon = anon_of(source);
	struct mapped_page found;
	int err;

	if (!anon_holds(anon, index))
		return -ENOENT;
	err = page_map_peek(&anon->map, index, &found);
	if (!err)
		*page = page_of(anon, found);
	return err;
}

static const struct page_source_ops source_ops = {
	.resolve = anon_resolve,
	.level = anon_level,
	.peek = anon_peek,
};

/* The public interface speaks of the same memory by host virtual address. */
static uint64_t page_at(const struct tdp_anon *anon, uint64_t hva)
{
	return (hva - anon->backing.hva) >> TDP_PAGE_SHIFT;
}

static struct tdp_backing_page public_page(struct source_page page)
{
	return (struct tdp_backing_page){.pfn = page.pfn, .writable = page.writable};
}

static int backing_resolve(void *context, void *caller, uint64_t hva, bool write,
			   struct tdp_backing_page *page)
{
	const struct tdp_anon *anon = context;

	struct source_page found;
	int err = anon_resolve(&anon->source, caller, page_at(anon, hva), write, &found);

	if (!err)
		*page = public_page(found);
	return err;
}

static unsigned int backing_level(void *context, uint64_t hva)
{
	const struct tdp_anon *anon = context;

	return anon_level(&anon->source, page_at(anon, hva));
}

static int backing_peek(void *context, uint64_t hva, struct tdp_backing_page *page)
{
	const struct tdp_anon *anon = context;

	struct source_page found;
	int err = anon_peek(&anon->source, page_at(anon, hva), &found);

	if (!err)
		*page = public_page(found);
	return err;
}

static const struct tdp_backing_ops backing_ops = {
	.resolve = backing_resolve,
	.level = backing_level,
	.peek = backing_peek,
};

const struct tdp_anon *anon_behind(const struct tdp_backing *backing)
{
	const struct tdp_anon *anon;

	if (!backing || backing->ops != &backing_ops)
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

static bool anon_is_reserved(const struct tdp_anon *anon)
{
	return hugetlb_has_pool(anon->host, anon->config.page);
}

static int anon_reserve(struct tdp_anon *anon)
{
	uint64_t pages = anon->config.bytes / page_bytes(anon);

	if (!anon_is_reserved(anon))
		return 0;
	if (hugetlb_reserve(anon->host, anon->config.page, pages)) {
		host_report(anon->host,
			    "the mapping needs %" PRIu64 " pages of %" PRIu64
			    " MiB: not as many are set aside and unreserved",
			    pages, page_bytes(anon) >> 20);
		return -ENOMEM;
	}
	return 0;
}

static void anon_unreserve(struct tdp_anon *anon)
{
	if (anon_is_reserved(anon))
		hugetlb_unreserve(anon->host, anon->config.page,
				  anon->config.bytes / page_bytes(anon));
}

static int anon_make_map(struct tdp_anon *anon)
{
	const struct tdp_anon_config *config = &anon->config;
	bool extents = config->page == TDP_4K && config->policy == TDP_ANON_EXTENTS;

	return page_map_init(&anon->map,
			     &(struct page_map_config){
				     .host = anon->host,
				     .pages = config->bytes >> TDP_PAGE_SHIFT,
				     .record_level = extents ? TDP_2M : config->page,
				     .tracks_pages = extents,
				     .level = config->page,
				     .node = config->node - 1,
				     .source = anon_is_reserved(anon) ? FOLIO_RESERVED : FOLIO_FREE,
			     });
}

/* An address range that no other mapping of the host has had, with a hole behind it. */
static void anon_place(struct tdp_anon *anon)
{
	uint64_t bytes = (anon->config.bytes + 2 * HVA_ALIGNMENT - 1) & ~(HVA_ALIGNMENT - 1);

	anon->backing = (struct tdp_backing){
		.ops = &backing_ops,
		.context = anon,
		.hva = u64_add_relaxed(&anon->host->next_hva, bytes),
		.bytes = anon->config.bytes,
		.max_level = anon->config.page,
	};
	anon->source = (struct page_source){
		.ops = &source_ops,
		.map = &anon->map,
		.read_only = anon->config.read_only,
		.max_level = (uint8_t)anon->config.page,
		.has_addresses = true,
		.hva = anon->backing.hva,
		.backing = &anon->backing,
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

int tdp_anon_create(struct tdp_host *host, const struct tdp_anon_config *given,
		    struct tdp_anon **result)
{
	struct tdp_anon_config config;
	struct tdp_anon *anon;
	int err;

	err = host_read_sized(host, "memory config", &config, sizeof(config),
			      SIZED_FIRST(struct tdp_anon_config), given);
	if (!err)
		err = anon_config_check(host, &config);
	if (err)
		return err;
	anon = host_allocate(host, sizeof(*anon));
	if (!anon)
		return refuse_metadata(host, &config);
	anon->host = host;
	anon->config = config;
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
	struct memory_change change = {
		.source = &anon->source,
		.first = offset >> TDP_PAGE_SHIFT,
		.past = (offset + bytes) >> TDP_PAGE_SHIFT,
		.start = anon->backing.hva + offset,
		.end = anon->backing.hva + offset + bytes,
	};

	if (offset % page_bytes(anon) || bytes % page_bytes(anon))
		return refuse(anon->host, offset % page_bytes(anon) ? "offset" : "bytes",
			      offset % page_bytes(anon) ? offset : bytes,
			      "it must be a multiple of the page size");
	if (offset > anon->config.bytes || bytes > anon->config.bytes - offset)
		return refuse(anon->host, "offset plus bytes", offset + bytes,
			      "it lies outside of the mapping");
	if (bytes == 0)
		return 0;
	notify_begin(anon->host, &change);
	page_map_discard(&anon->map, change.first, change.past);
	notify_end(anon->host, &change);
	return 0;
}

uint64_t tdp_anon_touched(const struct tdp_anon *anon)
{
	return page_map_touched(&anon->map);
}
