/*
 * Checks a host's config. It checks each field by itself first, then against the others, so
 * that a report names the field to change.
 */
#include "host/config.h"

#include <errno.h>
#include <inttypes.h>

#include "host/host.h"
#include "host/hugetlb.h"
#include "host/report.h"
#include "platform/sized.h"

/*
 * Four times the tables that map all of the memory once by 4K: there may be several address
 * spaces, and old roots are still being torn down while new ones fill.
 */
static uint64_t default_table_bytes(uint64_t memory_bytes)
{
	return (memory_bytes / 128 + GIB - 1) & ~(GIB - 1);
}

static void fill_defaults(struct tdp_host_config *config)
{
	if (config->memory_bytes == 0)
		config->memory_bytes = 64 * GIB;
	if (config->nodes == 0)
		config->nodes = 1;
	if (config->maxphyaddr == 0)
		config->maxphyaddr = 52;
	if (config->table_bytes == 0)
		config->table_bytes = default_table_bytes(config->memory_bytes);
}

static int check_multiple(const struct tdp_host_config *config, const char *field, uint64_t bytes,
			  uint64_t unit)
{
	if (bytes % unit == 0)
		return 0;
	config_report(config, "%s is %" PRIu64 ": it must be a multiple of %" PRIu64 " MiB", field,
		      bytes, unit / MIB);
	return -EINVAL;
}

static int check_width(const struct tdp_host_config *config)
{
	uint64_t limit;

	if (config->maxphyaddr < 36 || config->maxphyaddr > 52) {
		config_report(config, "maxphyaddr is %u: it must lie between 36 and 52",
			      config->maxphyaddr);
		return -EINVAL;
	}
	limit = (uint64_t)1 << config->maxphyaddr;
	/* Compare one after the other: the sum may not fit into 64 bits. */
	if (config->memory_bytes > limit || config->table_bytes > limit ||
	    (config_data_first(config) << TDP_PAGE_SHIFT) + config->memory_bytes > limit) {
		config_report(config,
			      "memory_bytes and table_bytes do not fit below the physical "
			      "address limit of %u bits (maxphyaddr)",
			      config->maxphyaddr);
		return -EINVAL;
	}
	return 0;
}

static int check_nodes(const struct tdp_host_config *config)
{
	uint64_t units = (config->memory_bytes - config->carveout_bytes) / GIB;

	if (config->nodes > HOST_NODES) {
		config_report(config, "nodes is %u: at most %u are possible", config->nodes,
			      HOST_NODES);
		return -EINVAL;
	}
	/* If all memory is carve-out, there are no data frames to share between nodes. */
	if (units != 0 && units < config->nodes) {
		config_report(config,
			      "nodes is %u: they cannot share %" PRIu64 " GiB, 1 GiB each is the "
			      "least (memory_bytes without carveout_bytes)",
			      config->nodes, units);
		return -EINVAL;
	}
	if (config->table_bytes / (2 * MIB) < config->nodes) {
		config_report(config, "table_bytes is %" PRIu64 ": each of %u nodes needs 2 MiB",
			      config->table_bytes, config->nodes);
		return -EINVAL;
	}
	return 0;
}

static int check_hooks(const struct tdp_host_config *config)
{
	if (!config->allocator.allocate == !config->allocator.release)
		return 0;
	config_report(config, "allocator needs both allocate and release, or neither");
	return -EINVAL;
}

static int check_fields(const struct tdp_host_config *config)
{
	int err;

	err = check_multiple(config, "memory_bytes", config->memory_bytes, GIB);
	if (!err)
		err = check_multiple(config, "table_bytes", config->table_bytes, 2 * MIB);
	if (!err)
		err = check_multiple(config, "carveout_bytes", config->carveout_bytes, GIB);
	if (!err)
		err = check_width(config);
	if (err)
		return err;
	if (config->carveout_bytes > config->memory_bytes) {
		config_report(config,
			      "carveout_bytes is %" PRIu64 ", more than memory_bytes (%" PRIu64 ")",
			      config->carveout_bytes, config->memory_bytes);
		return -EINVAL;
	}
	err = check_nodes(config);
	if (!err)
		err = hugetlb_check(config);
	return err ? err : check_hooks(config);
}

int config_complete(const struct tdp_host_config *given, struct tdp_host_config *used)
{
	int err = sized_read(used, sizeof(*used), SIZED_FIRST(struct tdp_host_config), given);

	if (err) {
		/* A struct too short to have a size has no report callback either. */
		if (given->size > sizeof(*given))
			config_report(given, "size is %zu: " SIZED_RULE, given->size,
				      sizeof(size_t), SIZED_MOST, sizeof(*given));
		return err;
	}
	fill_defaults(used);
	return check_fields(used);
}
