/*
 * Second-level tables, and those of a guest, written entry by entry into frames of a small host,
 * for tests of the page walk. It uses no code of the MMU; the bit numbers of the formats are from
 * the manuals.
 *
 * The tables of the guest are at GPAs from RAW_GUEST_TABLES on, one 4K page each, and map
 * RAW_LINEAR to the first page of the data region. The data region has its own entries at each
 * level, so that a change of one does not affect the tables of the guest.
 */
#ifndef TESTS_SUPPORT_RAW_TABLES_H
#define TESTS_SUPPORT_RAW_TABLES_H

#include <tdpsim/walk.h>

#define BIT(n) (1ULL << (n))

#define EPT_R	     BIT(0)
#define EPT_W	     BIT(1)
#define EPT_X	     BIT(2)
#define EPT_WB	     (6ULL << 3)
#define EPT_A	     BIT(8)
#define EPT_D	     BIT(9)
#define EPT_XU	     BIT(10)
#define EPT_RIGHTS   (EPT_R | EPT_W | EPT_X | EPT_XU)
#define NPT_P	     BIT(0)
#define NPT_W	     BIT(1)
#define NPT_U	     BIT(2)
#define NPT_A	     BIT(5)
#define NPT_D	     BIT(6)
#define NPT_NX	     BIT(63)
#define LARGE	     BIT(7)
#define GUEST_P	     BIT(0)
#define GUEST_W	     BIT(1)
#define GUEST_U	     BIT(2)
#define GUEST_A	     BIT(5)
#define GUEST_D	     BIT(6)
#define GUEST_NX     BIT(63)
#define GUEST_RIGHTS (GUEST_P | GUEST_W | GUEST_U)

#define RAW_GUEST_TABLES 0x100000ULL
#define RAW_LINEAR	 0x12345678000ULL

struct raw {
	struct tdp_host *host;
	struct tdp_walk_config config;
	tdp_pfn_t buffer; /* 1 GiB of frames, aligned, which the data region maps */
	uint64_t next;	  /* frame for the next table */
	tdp_pfn_t root;
	uint64_t data; /* GPA of the data region, 1 GiB aligned */
	struct tdp_guest_paging paging;
	unsigned int guest_pages;	       /* handed out from RAW_GUEST_TABLES on */
	uint64_t guest_gpa[TDP_LEVEL_MAX + 1]; /* of the guest's entry at each level */
	unsigned int guest_top;
};

/* CMocka group fixtures: *state becomes a struct raw with a host and nothing built. */
int raw_setup(void **state);
int raw_teardown(void **state);

/*
 * Starts again with empty tables for `config`. A leaf at `level` then maps the data region with all
 * rights.
 */
void raw_build(struct raw *raw, const struct tdp_walk_config *config, unsigned int level);

/* Builds the guest's tables for RAW_LINEAR -> raw->data, with a leaf at `level`. */
void raw_build_guest(struct raw *raw, enum tdp_paging_mode mode, unsigned int level);

/* The second-level entry at `level` for `gpa`; tables above it are made as needed. */
uint64_t *raw_entry(struct raw *raw, uint64_t gpa, unsigned int level);
/* Likewise for the entry of the data region. */
uint64_t *raw_data_entry(struct raw *raw, unsigned int level);
/* Maps gpa's page at `level` to pfn, all rights granted. */
void raw_map(struct raw *raw, uint64_t gpa, unsigned int level, uint64_t pfn);
/* Maps a 4K page for the guest; returns its GPA. */
uint64_t raw_guest_page(struct raw *raw);

/* The guest's entry at `level` (4 bytes wide in 32-bit mode) for RAW_LINEAR. */
uint64_t *raw_guest_entry(struct raw *raw, unsigned int level);
uint32_t *raw_guest_entry_32bit(struct raw *raw, unsigned int level);

/* All rights, in the format of raw->config. */
uint64_t raw_rights(const struct raw *raw);
uint64_t raw_accessed(const struct raw *raw);
uint64_t raw_dirty(const struct raw *raw);

/* The columns of the test matrix. The last two differ in U/S of the guest's leaf. */
enum raw_column { RAW_READ, RAW_WRITE, RAW_FETCH_SUPERVISOR, RAW_FETCH_USER, RAW_COLUMNS };
const char *raw_column_name(enum raw_column column);

/*
 * One guest access to RAW_LINEAR (a fetch: 8 bytes further), through the guest's
 * tables; U/S of the guest's leaf is set for the column.
 */
struct tdp_walk_result raw_access(struct raw *raw, enum raw_column column);
struct tdp_walk_result raw_walk(struct raw *raw, enum tdp_access access, bool user);
struct tdp_walk_result raw_walk_gpa(struct raw *raw, uint64_t gpa, enum tdp_access access,
				    bool user);

#endif
