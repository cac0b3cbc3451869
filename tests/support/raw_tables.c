/*
 * See raw_tables.h.
 */
#include "support/raw_tables.h"

#include <stdlib.h>
#include <string.h>

#define GIB_PAGES (1ULL << 18)

int raw_setup(void **state)
{
	/*
	 * Three GiB: one for the alignment, one for the buffer, one for tables. The few frames for
	 * the tables of the host leave a gap before the data.
	 */
	struct tdp_host_config config = {.memory_bytes = 4ULL << 30,
					 .carveout_bytes = 3ULL << 30,
					 .table_bytes = 4ULL << 20};
	struct raw *raw = calloc(1, sizeof(*raw));

	if (!raw || tdp_host_create(&config, &raw->host))
		return -1;
	raw->buffer.n = (tdp_host_carveout(raw->host).n + GIB_PAGES - 1) & ~(GIB_PAGES - 1);
	*state = raw;
	return 0;
}

int raw_teardown(void **state)
{
	struct raw *raw = *state;

	tdp_host_destroy(raw->host);
	free(raw);
	return 0;
}

static tdp_pfn_t new_frame(struct raw *raw)
{
	tdp_pfn_t pfn = tdp_pfn(raw->next++);

	memset(tdp_host_frame(raw->host, pfn), 0, TDP_PAGE_SIZE);
	return pfn;
}

static bool is_ept(const struct raw *raw)
{
	return raw->config.format == TDP_EPT;
}

uint64_t raw_rights(const struct raw *raw)
{
	return is_ept(raw) ? EPT_RIGHTS : NPT_P | NPT_W | NPT_U;
}

uint64_t raw_accessed(const struct raw *raw)
{
	return is_ept(raw) ? EPT_A : NPT_A;
}

uint64_t raw_dirty(const struct raw *raw)
{
	return is_ept(raw) ? EPT_D : NPT_D;
}

static unsigned int levels(const struct raw *raw)
{
	return raw->config.levels ? raw->config.levels : 4;
}

static uint64_t *word_at(struct raw *raw, uint64_t pfn, uint64_t index)
{
	return (uint64_t *)tdp_host_frame(raw->host, tdp_pfn(pfn)) + index;
}

static uint64_t entry_frame(uint64_t entry)
{
	return entry << 12 >> 24;
}

uint64_t *raw_entry(struct raw *raw, uint64_t gpa, unsigned int level)
{
	uint64_t pfn = raw->root.n;

	for (unsigned int at = levels(raw);; at--) {
		uint64_t *entry = word_at(raw, pfn, gpa >> (12 + 9 * (at - 1)) & 511);

		if (at == level)
			return entry;
		if (!*entry)
			*entry = new_frame(raw).n << 12 | raw_rights(raw);
		pfn = entry_frame(*entry);
	}
}

uint64_t *raw_data_entry(struct raw *raw, unsigned int level)
{
	return raw_entry(raw, raw->data, level);
}

void raw_map(struct raw *raw, uint64_t gpa, unsigned int level, uint64_t pfn)
{
	uint64_t flags = raw_rights(raw) | (is_ept(raw) ? EPT_WB : 0) | (level > 1 ? LARGE : 0);

	*raw_entry(raw, gpa, level) = pfn << 12 | flags;
}

void raw_build(struct raw *raw, const struct tdp_walk_config *config, unsigned int level)
{
	raw->config = *config;
	raw->next = raw->buffer.n + GIB_PAGES;
	raw->root = new_frame(raw);
	raw->data = BIT(39) | (levels(raw) == 5 ? BIT(48) : 0);
	raw->guest_pages = 0;
	raw_map(raw, raw->data, level, raw->buffer.n);
}

uint64_t raw_guest_page(struct raw *raw)
{
	uint64_t gpa = RAW_GUEST_TABLES + raw->guest_pages++ * TDP_PAGE_SIZE;

	raw_map(raw, gpa, 1, new_frame(raw).n);
	return gpa;
}

static unsigned int guest_levels(enum tdp_paging_mode mode)
{
	return mode == TDP_PAGING_32BIT ? 2 : mode == TDP_PAGING_LONG ? 4 : 5;
}

/* The address of the entry for RAW_LINEAR in the guest table at `table`. */
static uint64_t guest_entry_gpa(const struct raw *raw, uint64_t table, unsigned int level)
{
	if (raw->paging.mode == TDP_PAGING_32BIT)
		return table + (RAW_LINEAR >> (12 + 10 * (level - 1)) & 1023) * 4;
	return table + (RAW_LINEAR >> (12 + 9 * (level - 1)) & 511) * 8;
}

static void *guest_memory(struct raw *raw, uint64_t gpa)
{
	return word_at(raw, entry_frame(*raw_entry(raw, gpa, 1)), (gpa & 0xfff) / 8);
}

uint64_t *raw_guest_entry(struct raw *raw, unsigned int level)
{
	return guest_memory(raw, raw->guest_gpa[level]);
}

uint32_t *raw_guest_entry_32bit(struct raw *raw, unsigned int level)
{
	uint32_t *pair = guest_memory(raw, raw->guest_gpa[level] & ~7ULL);

	return pair + (raw->guest_gpa[level] & 4) / 4;
}

static void set_guest_entry(struct raw *raw, unsigned int level, uint64_t value)
{
	if (raw->paging.mode == TDP_PAGING_32BIT)
		*raw_guest_entry_32bit(raw, level) = (uint32_t)value;
	else
		*raw_guest_entry(raw, level) = value;
}

void raw_build_guest(struct raw *raw, enum tdp_paging_mode mode, unsigned int level)
{
	uint64_t table = raw_guest_page(raw);

	raw->paging =
		(struct tdp_guest_paging){.mode = mode, .cr3 = table, .pse = true, .wp = true};
	raw->paging.nxe = mode != TDP_PAGING_32BIT;
	raw->guest_top = guest_levels(mode);
	for (unsigned int at = raw->guest_top; at > level; at--) {
		raw->guest_gpa[at] = guest_entry_gpa(raw, table, at);
		table = raw_guest_page(raw);
		set_guest_entry(raw, at, table | GUEST_RIGHTS);
	}
	raw->guest_gpa[level] = guest_entry_gpa(raw, table, level);
	set_guest_entry(raw, level, raw->data | GUEST_RIGHTS | (level > 1 ? LARGE : 0));
}

const char *raw_column_name(enum raw_column column)
{
	static const char *const names[] = {"read", "write", "supervisor fetch", "user fetch"};

	return names[column];
}

struct tdp_walk_result raw_walk(struct raw *raw, enum tdp_access access, bool user)
{
	struct tdp_walk_request request = {
		.address = RAW_LINEAR + (access == TDP_FETCH ? 8 : 0),
		.access = access,
		.user = user,
	};
	struct tdp_walk_result result;

	memset(&result, 0x5a, sizeof(result));
	if (tdp_walk(raw->host, &raw->config, raw->root, &raw->paging, &request, &result))
		abort();
	return result;
}

struct tdp_walk_result raw_access(struct raw *raw, enum raw_column column)
{
	uint64_t *leaf = raw_guest_entry(raw, 1);

	*leaf = column == RAW_FETCH_SUPERVISOR ? *leaf & ~GUEST_U : *leaf | GUEST_U;
	switch (column) {
	case RAW_READ:
		return raw_walk(raw, TDP_READ, false);
	case RAW_WRITE:
		return raw_walk(raw, TDP_WRITE, false);
	default:
		return raw_walk(raw, TDP_FETCH, false);
	}
}

struct tdp_walk_result raw_walk_gpa(struct raw *raw, uint64_t gpa, enum tdp_access access,
				    bool user)
{
	struct tdp_walk_request request = {.address = gpa, .access = access, .user = user};
	struct tdp_walk_result result;

	memset(&result, 0x5a, sizeof(result));
	if (tdp_walk_gpa(raw->host, &raw->config, raw->root, &request, &result))
		abort();
	return result;
}
