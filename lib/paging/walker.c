/*
 * The masks of a walker: the meaning of each bit of an entry on the walked machine, computed once.
 */
#include "paging/walker.h"

#include <errno.h>

#include "host/report.h"
#include "platform/sized.h"

#define BIT(n) (1ULL << (n))
/* Bits high to low, both included; none if high < low. */
#define BITS(high, low) ((high) < (low) ? 0 : (~0ULL >> (63 - (high))) & ~(BIT(low) - 1))

static int check_config(const struct tdp_host *host, const struct tdp_walk_config *config)
{
	if (config->format != TDP_EPT && config->format != TDP_NPT) {
		host_report(host, "walk config: there is no format %d", (int)config->format);
		return -EINVAL;
	}
	if (config->levels && config->levels != 4 && config->levels != 5) {
		host_report(host, "walk config: %u levels, must be 4 or 5", config->levels);
		return -EINVAL;
	}
	if (config->maxphyaddr && (config->maxphyaddr < 36 || config->maxphyaddr > 52)) {
		host_report(host, "walk config: MAXPHYADDR is %u, must be 36 to 52",
			    config->maxphyaddr);
		return -EINVAL;
	}
	return 0;
}

/* The bits that are reserved in both formats, and in a guest's entries. */
static void reserve_common(uint64_t reserved[2][TDP_LEVEL_MAX + 1], unsigned int maxphyaddr,
			   bool no_2m, bool no_1g)
{
	for (unsigned int level = 1; level <= TDP_LEVEL_MAX; level++)
		reserved[false][level] = reserved[true][level] = BITS(51, (int)maxphyaddr);
	reserved[false][4] |= BIT(7);
	reserved[false][5] |= BIT(7);
	if (no_2m)
		reserved[true][2] |= BIT(7);
	if (no_1g)
		reserved[true][3] |= BIT(7);
}

/*
 * Illegal combinations of rights (SDM vol. 3, 29.3.3.1): writable but not readable; executable
 * only, where the machine lacks that. Low bits 000 occur only if XU makes the entry present, which
 * is execute-only as well. A memory type of 2, 3 or 7 is illegal in a leaf; elsewhere those bits
 * are reserved.
 */
static uint64_t illegal_low_bits(bool execute_only)
{
	uint64_t illegal = 0;

	for (unsigned int low = 0; low < 64; low++) {
		unsigned int rights = low & 7;
		unsigned int type = low >> 3;
		bool write_only = (rights & 3) == 2;
		bool exec_only = (rights & 3) == 0;

		if (write_only || (exec_only && !execute_only) || type == 2 || type == 3 ||
		    type == 7)
			illegal |= BIT(low);
	}
	return illegal;
}

static void init_ept(struct walker *walker)
{
	const struct format *format = &format_ept;
	const struct tdp_walk_config *config = &walker->config;
	uint64_t exec_user = config->mbec ? format->exec_user : format->exec;

	walker->present = format->present | (config->mbec ? format->exec_user : 0);
	walker->illegal = illegal_low_bits(config->execute_only);
	if (config->ad) {
		walker->accessed = format->accessed;
		walker->dirty = format->dirty;
	}
	walker->need[RIGHT_READ] = format->read;
	/* No entry is writable but not readable, so W in all entries implies R. */
	walker->need[RIGHT_WRITE] = format->write;
	walker->need[RIGHT_FETCH] = format->exec;
	walker->need[RIGHT_FETCH_USER] = exec_user;
	for (unsigned int right = 0; right < WALK_RIGHTS; right++)
		walker->care[right] = walker->need[right];

	for (unsigned int level = 2; level <= TDP_LEVEL_MAX; level++)
		walker->reserved[false][level] |= BITS(6, 3);
	/* Bit 12 too: a large EPT leaf has no PAT bit there. */
	walker->reserved[true][2] |= BITS(20, 12);
	walker->reserved[true][3] |= BITS(29, 12);
}

/*
 * Each access is a user access, so U/S must be set at every level. With GMET U/S does not
 * restrict accesses to data or tables; if it is set at every level, code at CPL 0 to 2 may
 * not be fetched.
 */
static void init_npt(struct walker *walker)
{
	const struct format *format = &format_npt;
	uint64_t user = walker->config.gmet ? 0 : format->user;

	walker->present = format->present;
	walker->forbidding = format->no_exec;
	walker->accessed = format->accessed;
	walker->dirty = format->dirty;
	walker->need[RIGHT_READ] = user;
	walker->need[RIGHT_WRITE] = user | format->write;
	walker->need[RIGHT_FETCH] = user | format->no_exec;
	walker->need[RIGHT_FETCH_USER] = user | format->no_exec;
	for (unsigned int right = 0; right < WALK_RIGHTS; right++)
		walker->care[right] = walker->need[right];
	walker->care[RIGHT_FETCH] |= format->user;

	walker->reserved[false][4] |= BIT(8);
	walker->reserved[false][5] |= BIT(8);
	walker->reserved[true][2] |= BITS(20, 13);
	walker->reserved[true][3] |= BITS(29, 13);
	for (unsigned int level = 1; level <= TDP_LEVEL_MAX && !walker->config.host_nxe; level++) {
		walker->reserved[false][level] |= format->no_exec;
		walker->reserved[true][level] |= format->no_exec;
	}
}

/*
 * A guest's own entries (APM vol. 2, 5.3 and 5.4; SDM vol. 3, 4.4 and 4.5). NX
 * depends on the guest's EFER, and the walk adds it. Whether a guest has 1G pages depends on
 * EPT on Intel, and on the CPU's paging at large on AMD.
 */
static void init_guest(struct walker *walker)
{
	const struct tdp_walk_config *config = &walker->config;
	bool amd = config->format == TDP_NPT;
	unsigned int reach = config->maxphyaddr < 40 ? config->maxphyaddr : 40;

	reserve_common(walker->guest_reserved, config->maxphyaddr, false, amd && config->no_1g);
	walker->guest_reserved[true][2] |= BITS(20, 13);
	walker->guest_reserved[true][3] |= BITS(29, 13);
	if (amd) {
		walker->guest_reserved[false][4] |= BIT(8);
		walker->guest_reserved[false][5] |= BIT(8);
	}
	/* PSE-36: bits 39:32 of the address lie in 20:13. */
	walker->guest_reserved_4m = BITS(21, (int)reach - 19);
}

int walker_init(struct walker *walker, const struct tdp_host *host,
		const struct tdp_walk_config *given)
{
	struct tdp_walk_config config;
	int err;

	err = host_read_sized(host, "walk config", &config, sizeof(config),
			      SIZED_FIRST(struct tdp_walk_config), given);
	if (!err)
		err = check_config(host, &config);
	if (err)
		return err;
	*walker = (struct walker){
		.host = host,
		.format = config.format == TDP_EPT ? &format_ept : &format_npt,
		.config = config,
	};
	if (!walker->config.levels)
		walker->config.levels = 4;
	if (!walker->config.maxphyaddr)
		walker->config.maxphyaddr = 52;

	reserve_common(walker->reserved, walker->config.maxphyaddr, config.no_2m, config.no_1g);
	if (config.format == TDP_EPT)
		init_ept(walker);
	else
		init_npt(walker);
	init_guest(walker);
	return 0;
}

int walker_check_request(const struct walker *walker, const struct tdp_walk_request *request)
{
	if ((unsigned int)request->access <= TDP_FETCH)
		return 0;
	host_report(walker->host, "walk: there is no access %d", (int)request->access);
	return -EINVAL;
}
