/*
 * The hardware's walk over tables of any content.
 *
 * The input says what the machine is able to do, fills a few frames with entries
 * (of which many point at each other, so that a walk gets somewhere) and makes
 * requests. All other frames are zero, so nothing is present in them and nothing
 * may ever change there.
 *
 * What must hold
 *   W1  A frame that a walk ends at is one of the host's.
 *   W2  A look (no_update, the dumps) changes nothing, and neither does a walk of
 *       the second level that is refused.
 *   W3  Flags are only ever set: after a few repetitions a walk changes nothing any
 *       more, and from then on its answer stays the same, for a look as well.
 *   W4  The rights that a walk reports are those that looks with each kind of access
 *       find.
 *   W5  A paging-structure cache changes no answer.
 *   W6  A dump ends where it was told to.
 */
#include "fuzz/support/input.h"

#include "paging/walker.h"

#define POOL	8 /* frames that the input fills */
#define FRAME	((size_t)TDP_PAGE_SIZE)
#define ENTRIES 512
#define TABLES	1024 /* frames of the host's table region; its data begins at 1 GiB */

struct bench {
	struct tdp_host *host;
	struct tdp_walk_config config;
	tdp_pfn_t root;
	bool linear;
	struct tdp_guest_paging paging;
	uint8_t *frames[POOL];
	uint64_t pfns[POOL];
	uint8_t before[POOL][TDP_PAGE_SIZE];
};

/* Tables and data, so that the gap between the two regions has neighbours. */
static void take_frames(struct bench *bench)
{
	uint64_t data = tdp_host_carveout(bench->host).n;

	for (unsigned int i = 0; i < POOL; i++) {
		bench->pfns[i] = i < POOL / 2 ? i + 1 : data + (i - POOL / 2) * ENTRIES;
		bench->frames[i] = tdp_host_frame(bench->host, tdp_pfn(bench->pfns[i]));
		HOLDS(bench->frames[i]);
	}
}

static void read_config(struct input *input, struct bench *bench)
{
	uint64_t bits = input_bytes(input, 3);
	uint8_t width = input_u8(input);

	bench->config = (struct tdp_walk_config){
		.format = bits & 1 ? TDP_EPT : TDP_NPT,
		.levels = bits & 2 ? 5 : 4,
		.maxphyaddr = width % 24 + 30, /* some of them no machine has */
		.no_2m = bits & 1 << 2,
		.no_1g = bits & 1 << 3,
		.ad = bits & 1 << 4,
		.execute_only = bits & 1 << 5,
		.mbec = bits & 1 << 6,
		.advanced_exit_info = bits & 1 << 7,
		.host_nxe = bits & 1 << 8,
		.host_smep = bits & 1 << 9,
		.gmet = bits & 1 << 10,
		.reserved_not_present = bits & 1 << 11,
		.wide_gpa_reserved = bits & 1 << 12,
	};
	bench->linear = bits & 1 << 13;
	bench->paging = (struct tdp_guest_paging){
		.mode = (enum tdp_paging_mode)(bits >> 14 & 3),
		.pse = bits & 1 << 16,
		.wp = bits & 1 << 17,
		.nxe = bits & 1 << 18,
		.smep = bits & 1 << 19,
		.smap = bits & 1 << 20,
	};
}

/* An address whose indices are those that read_entry() likes. */
static uint64_t read_address(struct input *input)
{
	static const uint64_t indices[] = {0, 1, 2, 3, 8, 256, 510, 511};
	uint8_t kind = input_u8(input);
	uint64_t address = kind & 7;

	if (kind & 0x80)
		return input_u64(input);
	for (unsigned int level = 1; level <= TDP_LEVEL_MAX; level++) {
		uint8_t index = input_u8(input);

		address |= indices[index & 7] << (TDP_PAGE_SHIFT + 9 * (level - 1));
	}
	if (kind & 0x40) /* canonical */
		address = (uint64_t)((int64_t)(address << 16) >> 16);
	return address;
}

/* Frames that are filled, and of those that are not some at the borders. */
static uint64_t read_target(uint8_t kind, const struct bench *bench)
{
	uint64_t data = tdp_host_carveout(bench->host).n;
	const uint64_t borders[] = {0,	      TABLES - 1, TABLES,	2 * TABLES,
				    data - 1, data + 512, 2 * data - 1, 2 * data};

	return kind & 0x20 ? borders[kind % 8] : bench->pfns[kind % POOL];
}

static uint64_t read_entry(struct input *input, const struct bench *bench)
{
	uint8_t kind = input_u8(input);
	uint64_t low, entry;

	if (kind & 0x80)
		return input_u64(input);
	low = input_bytes(input, 2);
	entry = read_target(kind, bench) << TDP_PAGE_SHIFT | (low & 0xfff);
	if (kind & 0x40) /* a guest-physical address of the first tables */
		entry = (uint64_t)(kind % POOL) << TDP_PAGE_SHIFT | (low & 0xfff);
	return entry | (low >> 12) << 60;
}

static void fill(struct input *input, struct bench *bench)
{
	uint8_t count = input_u8(input) % 64;

	for (unsigned int i = 0; i < count; i++) {
		uint8_t where = input_u8(input);
		uint64_t *words = (uint64_t *)bench->frames[where % POOL];
		uint64_t entry = read_entry(input, bench);
		unsigned int index = (where >> 3) % 16;

		if (where & 0x80) {
			for (unsigned int n = 0; n < ENTRIES; n++)
				words[n] = entry;
		} else {
			words[index < 8 ? index : ENTRIES - 16 + index] = entry;
		}
	}
}

static void snapshot(struct bench *bench)
{
	for (unsigned int i = 0; i < POOL; i++)
		memcpy(bench->before[i], bench->frames[i], FRAME);
}

static bool unchanged(const struct bench *bench)
{
	for (unsigned int i = 0; i < POOL; i++)
		if (memcmp(bench->before[i], bench->frames[i], FRAME) != 0)
			return false;
	return true;
}

static bool same(const struct tdp_walk_result *a, const struct tdp_walk_result *b)
{
	return a->outcome == b->outcome && a->pfn.n == b->pfn.n && a->level == b->level &&
	       a->writable == b->writable && a->executable == b->executable && a->user == b->user &&
	       a->rights == b->rights && a->dirty == b->dirty && a->gpa == b->gpa &&
	       a->error_code == b->error_code && a->guest_error_code == b->guest_error_code &&
	       a->entry == b->entry && a->entry_level == b->entry_level &&
	       a->ve_convertible == b->ve_convertible;
}

static struct tdp_walk_result walk(const struct bench *bench,
				   const struct tdp_walk_request *request)
{
	struct tdp_walk_result result;
	int err = bench->linear ? tdp_walk(bench->host, &bench->config, bench->root, &bench->paging,
					   request, &result)
				: tdp_walk_gpa(bench->host, &bench->config, bench->root, request,
					       &result);

	HOLDS(!err);
	if (result.outcome == TDP_WALK_DONE)
		HOLDS(tdp_host_frame(bench->host, result.pfn)); /* W1 */
	return result;
}

/* W2: a look, and what it found. */
static struct tdp_walk_result look(struct bench *bench, struct tdp_walk_request request)
{
	struct tdp_walk_result result;

	request.no_update = true;
	snapshot(bench);
	result = walk(bench, &request);
	HOLDS(unchanged(bench));
	return result;
}

/* W4. A guest's write is refused, too, if its own dirty flag cannot be set. */
static void compare_rights(struct bench *bench, struct tdp_walk_request request,
			   const struct tdp_walk_result *done)
{
	if (request.table)
		return;
	HOLDS(done->rights & TDP_RIGHT(request.access, request.user));
	for (int access = TDP_READ; access <= TDP_FETCH; access++) {
		bool told = done->rights & TDP_RIGHT(access, request.user);
		bool certain = !bench->linear || access != TDP_WRITE || done->dirty;
		struct tdp_walk_result other;

		request.access = (enum tdp_access)access;
		other = look(bench, request);
		HOLDS(told || other.outcome != TDP_WALK_DONE);
		HOLDS(!told || !certain || other.outcome == TDP_WALK_DONE);
	}
}

/* W5, for what a vCPU remembers of its own walks. */
static void compare_cached(struct bench *bench, const struct tdp_walk_request *request,
			   struct walk_cache *cache, const struct tdp_walk_result *known)
{
	struct tdp_walk_result result;
	struct walker walker;

	HOLDS(walker_init(&walker, bench->host, &bench->config) == 0);
	for (int i = 0; i < 2; i++) {
		walk_second(&walker, cache, bench->root, request, &result);
		HOLDS(same(&result, known));
	}
}

static void make_request(struct bench *bench, const struct tdp_walk_request *request)
{
	struct tdp_walk_result result, again;
	struct walk_cache cache;
	unsigned int rounds = 0;

	look(bench, *request);
	do { /* W3: a word has few flags to set, and there are few words in a walk */
		snapshot(bench);
		result = walk(bench, request);
		HOLDS(bench->linear || result.outcome == TDP_WALK_DONE || unchanged(bench));
		HOLDS(rounds++ < 100);
	} while (!unchanged(bench));
	again = walk(bench, request);
	HOLDS(unchanged(bench) && same(&result, &again));
	again = look(bench, *request);
	HOLDS(same(&result, &again));
	if (result.outcome == TDP_WALK_DONE)
		compare_rights(bench, *request, &result);
	if (bench->linear)
		return;
	walk_cache_init(&cache);
	compare_cached(bench, request, &cache, &result);
}

static unsigned int lines_of(const char *text)
{
	unsigned int lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* max_lines 0: the translation, else the tree. */
static unsigned int dumped_lines(const struct bench *bench, uint64_t gpa, unsigned int max_lines)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	unsigned int lines;
	int err;

	HOLDS(out);
	if (max_lines)
		err = tdp_dump_tables(bench->host, &bench->config, bench->root, max_lines, out);
	else
		err = tdp_dump_walk(bench->host, &bench->config, bench->root, gpa, out);
	HOLDS(err == 0);
	fclose(out);
	lines = lines_of(text);
	free(text);
	return lines;
}

/* W6: the first line and the last one come on top. */
static void dump(struct bench *bench, uint64_t gpa, unsigned int max_lines)
{
	snapshot(bench);
	HOLDS(dumped_lines(bench, gpa, 0) <= bench->config.levels + 2);
	HOLDS(dumped_lines(bench, gpa, max_lines) <= max_lines + 2);
	HOLDS(unchanged(bench));
}

static void make_requests(struct input *input, struct bench *bench)
{
	for (unsigned int i = 0; i < 8 && (i == 0 || input_left(input)); i++) {
		uint8_t bits = input_u8(input);
		struct tdp_walk_request request = {
			.access = (enum tdp_access)((bits & 3) % 3),
			.user = bits & 4,
			.table = bits & 8 && !bench->linear,
			.linear_invalid = bits & 16,
		};

		request.address = read_address(input);
		make_request(bench, &request);
		if (bits & 0x20)
			dump(bench, request.address, bits >> 6 | 4);
	}
}

/* A config that is out of range is refused, and the result left alone. */
static bool accepted(const struct bench *bench)
{
	struct tdp_walk_request request = {.no_update = true};
	struct tdp_walk_result result = {.gpa = 1};
	bool fits = bench->config.maxphyaddr >= 36 && bench->config.maxphyaddr <= 52;
	int err = tdp_walk_gpa(bench->host, &bench->config, bench->root, &request, &result);

	HOLDS(fits ? err == 0 : err < 0);
	HOLDS(!err || result.gpa == 1);
	return fits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench bench; /* the host is made once: frames are cleared instead */
	struct tdp_host_config config = {.memory_bytes = (uint64_t)1 << 30,
					 .table_bytes = TABLES * TDP_PAGE_SIZE,
					 .carveout_bytes = (uint64_t)1 << 30};
	struct input input = input_of(data, size);
	uint8_t root;

	if (!bench.host) {
		HOLDS(tdp_host_create(&config, &bench.host) == 0);
		take_frames(&bench);
	}
	for (unsigned int i = 0; i < POOL; i++)
		memset(bench.frames[i], 0, FRAME);
	read_config(&input, &bench);
	root = input_u8(&input);
	bench.root = tdp_pfn(root & 0x80 ? input_u64(&input) : bench.pfns[root % POOL]);
	bench.paging.cr3 = read_entry(&input, &bench);
	fill(&input, &bench);
	if (accepted(&bench))
		make_requests(&input, &bench);
	return 0;
}
