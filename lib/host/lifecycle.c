/*
 * Creating and destroying a host. Each part is undone in the reverse order of its creation, so a
 * host whose creation failed half-way is destroyed like a whole one.
 */
#include "host/host.h"

#include <errno.h>
#include <inttypes.h>

#include "host/age.h"
#include "host/allocate.h"
#include "host/caller.h"
#include "host/config.h"
#include "host/frame.h"
#include "host/report.h"
#include "host/window.h"
#include "platform/check.h"

/* Mappings are told apart by address; below is room for what programs script themselves. */
#define FIRST_HVA ((uint64_t)1 << 44)

static void host_init(struct tdp_host *host, const struct tdp_host_config *config)
{
	host->config = *config;
	host->table_frames = config->table_bytes >> TDP_PAGE_SHIFT;
	host->tables_trusted = config->check ? 0 : config->table_bytes;
	host->data_first = config_data_first(config);
	host->frames = host->data_first + (config->memory_bytes >> TDP_PAGE_SHIFT);
	handover_init(&host->handover);
	rcu_init(&host->rcu, host);
	host->rcu.handover = &host->handover;
	spinlock_init(&host->callers_lock);
	rwlock_init(&host->notifiers_lock, RWLOCK_SHARED);
	u32_init(&host->invalidations, 0);
	u64_init(&host->metadata_bytes, sizeof(*host));
	u64_init(&host->next_hva, FIRST_HVA);
}

static int map_memory(struct tdp_host *host)
{
	if (host_refuses(host, TDP_ALLOCATE_METADATA))
		return -ENOMEM;
	host->window = window_map(host->frames << TDP_PAGE_SHIFT);
	if (!host->window)
		return -ENOMEM;
	window_advise(host->window, host->config.table_bytes, host->data_first << TDP_PAGE_SHIFT,
		      host->config.memory_bytes);
	host->records = window_map(host->table_frames * FRAME_RECORD_BYTES);
	return host->records ? ages_init(host) : -ENOMEM;
}

static void host_free(struct tdp_host *host)
{
	struct tdp_host_config config = host->config;

	callers_fini(host);
	rcu_fini(&host->rcu);
	handover_fini(&host->handover);
	frame_allocator_destroy(host);
	ages_fini(host);
	window_unmap(host->records, host->table_frames * FRAME_RECORD_BYTES);
	window_unmap(host->window, host->frames << TDP_PAGE_SHIFT);
	rwlock_fini(&host->notifiers_lock);
	CHECK(u64_load_relaxed(&host->metadata_bytes) == sizeof(*host)); /* nothing leaked */
	config_release(&config, host, sizeof(*host));
}

static int refuse_memory(const struct tdp_host_config *config)
{
	config_report(config,
		      "no address space or metadata for a host of %" PRIu64 " GiB of memory and "
		      "%" PRIu64 " MiB of tables",
		      config->memory_bytes / GIB, config->table_bytes / MIB);
	return -ENOMEM;
}

int tdp_host_create(const struct tdp_host_config *config, struct tdp_host **result)
{
	struct tdp_host_config used;
	struct tdp_host *host;
	int err;

	err = config_complete(config, &used);
	if (!err)
		err = window_check(&used, window_overcommit());
	if (err)
		return err;
	host = config_allocate(&used, _Alignof(struct tdp_host), sizeof(*host));
	if (!host)
		return refuse_memory(&used);
	host_init(host, &used);
	err = map_memory(host);
	if (!err)
		err = frame_allocator_create(host);
	if (err) {
		host_free(host);
		return refuse_memory(&used);
	}
	*result = host;
	return 0;
}

void tdp_host_destroy(struct tdp_host *host)
{
	if (!host)
		return;
	CHECK(!host->notifiers); /* all VMs have been destroyed */
	host_free(host);
}

void tdp_host_usage(struct tdp_host *host, struct tdp_host_memory *usage)
{
	uint64_t data = host->config.memory_bytes - host->config.carveout_bytes;
	struct frame_counts free;

	frame_count(host, &free);
	free.free_tables += callers_cached_frames(host);
	usage->free_table_frames = free.free_tables;
	usage->free_data_frames = free.free_data;
	/* Frame 0 is in no use, nor to be had. */
	usage->table_frames = host->table_frames - 1 - free.free_tables;
	usage->data_frames = (data >> TDP_PAGE_SHIFT) - free.free_data;
	usage->metadata_bytes = u64_load_relaxed(&host->metadata_bytes);
}

tdp_pfn_t tdp_host_carveout(const struct tdp_host *host)
{
	return tdp_pfn(host->data_first);
}

void *tdp_host_frame(const struct tdp_host *host, tdp_pfn_t pfn)
{
	return host_has_frame(host, pfn) ? frame_address(host, pfn) : NULL;
}
