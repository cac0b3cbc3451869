/*
 * The parameters of a guest, and which combinations are valid.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/guest.h"
#include "common/size.h"

#define TERA ((uint64_t)1 << 40)

/* kvm_set_memory_region(), Linux: a slot has at most 2^31 - 1 pages of 4K. */
#define SLOT_BYTES_MOST ((uint64_t)4 * TERA)
#define SLOTS_MOST	512

static const struct word backing_words[] = {
	{"4k", TDP_4K},
	{"2m", TDP_2M},
	{"1g", TDP_1G},
	/* The KVM selftests' names (backing_src in tools/testing/selftests/kvm/lib/test_util.c). */
	{"anonymous", TDP_4K},
	{"anonymous_thp", TDP_2M},
	{"anonymous_hugetlb", TDP_2M},
	{"anonymous_hugetlb_2mb", TDP_2M},
	{"anonymous_hugetlb_1gb", TDP_1G},
	{"shmem", TDP_4K},
	{"shared_hugetlb", TDP_2M},
	{0},
};

static const struct word allocate_words[] = {
	{"extents", TDP_ANON_EXTENTS}, {"pages", TDP_ANON_PAGES}, {0}};
static const struct word format_words[] = {{"npt", TDP_NPT}, {"ept", TDP_EPT}, {0}};
static const struct word ad_words[] = {{"on", TDP_ON}, {"off", TDP_OFF}, {0}};
static const struct word order_words[] = {{"seq", GUEST_SEQUENTIAL}, {"random", GUEST_RANDOM}, {0}};
static const struct word clock_words[] = {
	{"real", GUEST_CLOCK_REAL}, {"virtual", GUEST_CLOCK_VIRTUAL}, {0}};

#define AT(field) .offset = offsetof(struct guest_options, field)

static const struct parameter guest_table[] = {
	{"vcpus", 'v', "N", "virtual CPUs (1)", &parameter_count, AT(vcpus), .least = 1,
	 .most = GUEST_VCPUS_MOST},
	{"bytes", 'b', "SIZE", "memory of each vCPU (1G)", &parameter_size, AT(bytes),
	 .least = 4096, .most = 4096 * TERA},
	{"guest-memory", 0, "SIZE", "memory of the guest (that of all vCPUs)", &parameter_size,
	 AT(guest_memory), .least = 4096, .most = 4096 * TERA},
	{"backing", 's', "SIZE", "the host's pages: 4k, 2m, 1g, or a selftest's name (4k)",
	 &parameter_choice, AT(backing), .words = backing_words},
	{"allocate", 0, "HOW", "host memory by 2M extents or by single pages (extents)",
	 &parameter_choice, AT(allocate), .words = allocate_words},
	{"format", 0, "NAME", "entry format: npt or ept (npt)", &parameter_choice, AT(format),
	 .words = format_words, .in_title = true},
	{"levels", 0, "N", "levels of the tables: 4 or 5 (4)", &parameter_count, AT(levels),
	 .least = 4, .most = 5},
	{"ad", 0, "on|off", "the CPU sets accessed and dirty flags; off: EPT only (on)",
	 &parameter_choice, AT(ad), .words = ad_words},
	{"order", 0, "NAME", "order in which pages are touched: seq or random (seq)",
	 &parameter_choice, AT(order), .words = order_words, .in_title = true},
	{"overlap", 'o', NULL, "all vCPUs use the same memory", &parameter_flag, AT(overlap)},
	{"slots", 'x', "N", "memory slots (as few as possible)", &parameter_count, AT(slots),
	 .least = 1, .most = SLOTS_MOST},
	{"write-percent", 'w', "N", "percentage of accesses that write; the others read (100)",
	 &parameter_count, AT(write_percent), .least = 0, .most = 100},
	{"pin", 'c', "LIST", "CPUs that the vCPUs run on, in turn", &parameter_cpus, AT(pin)},
	{"clock", 0, "NAME", "real or virtual time (real)", &parameter_choice, AT(clock),
	 .words = clock_words},
	{"machine", 0, "NAME", "the machine that virtual time describes", &parameter_text,
	 AT(machine)},
	{"seed", 'r', "N", "seed of all random choices (1)", &parameter_number, AT(seed),
	 .least = 0, .most = INT64_MAX},
	{"check", 0, NULL, "verify the VM with the checker; slower", &parameter_flag, AT(check)},
	{"no-stalls", 0, NULL, "do not time how long accesses stall", &parameter_flag,
	 AT(no_stalls)},
};

const struct parameters guest_parameters = {"Guest:", guest_table,
					    sizeof(guest_table) / sizeof(guest_table[0])};

static const struct parameter iterations_table[] = {
	{"iterations", 'i', "N", "repetitions with a new guest each; the median is reported (1)",
	 &parameter_count, AT(iterations), .least = 1, .most = 10000},
};

const struct parameters iterations_parameters = {"Repetitions:", iterations_table, 1};

/* Larger than any address if the product overflows. */
static uint64_t vcpus_bytes(const struct guest_options *options)
{
	uint64_t most = 65536 * TERA;

	if (options->overlap)
		return options->bytes;
	return options->bytes > most / options->vcpus ? most : options->vcpus * options->bytes;
}

/* The width of a guest-physical address: what the tables can translate. */
static unsigned int address_bits(const struct guest_options *options)
{
	return options->levels == 5 ? 52 : 48;
}

static uint64_t round_up(uint64_t bytes, uint64_t page)
{
	return (bytes + page - 1) / page * page;
}

static bool settle_memory(struct guest_options *options, char *why, size_t size)
{
	uint64_t page = tdp_level_bytes(options->backing);
	uint64_t step = options->small_steps ? TDP_PAGE_SIZE : page;
	uint64_t needed = round_up(vcpus_bytes(options), page);
	char a[SIZE_TEXT], b[SIZE_TEXT];

	if (options->bytes % step) {
		snprintf(why, size, "--bytes %s is not a multiple of %s, %s",
			 size_exact(options->bytes, a),
			 options->small_steps ? "the size of an access step" : "the backing page",
			 size_exact(step, b));
		return false;
	}
	if (options->guest_memory % page) {
		snprintf(why, size, "--guest-memory %s is not a multiple of the backing page, %s",
			 size_exact(options->guest_memory, a), size_exact(page, b));
		return false;
	}
	if (!options->guest_memory)
		options->guest_memory = needed;
	if (options->guest_memory < needed) {
		snprintf(why, size, "--guest-memory %s is less than the %s that the vCPUs have",
			 size_exact(options->guest_memory, a), size_exact(needed, b));
		return false;
	}
	if (options->guest_memory > ((uint64_t)1 << address_bits(options)) - GUEST_BASE) {
		snprintf(why, size,
			 "%s of guest memory from 4G up do not fit into %u bits of address (%u "
			 "levels)",
			 size_exact(options->guest_memory, a), address_bits(options),
			 options->levels);
		return false;
	}
	return true;
}

static bool settle_slots(struct guest_options *options, char *why, size_t size)
{
	uint64_t pages = options->guest_memory / tdp_level_bytes(options->backing);

	if (!options->slots)
		options->slots = (unsigned int)((options->guest_memory + SLOT_BYTES_MOST - 1) /
						SLOT_BYTES_MOST);
	if (options->slots > pages) {
		snprintf(why, size, "--slots %u is more than the guest's %" PRIu64 " backing pages",
			 options->slots, pages);
		return false;
	}
	return true;
}

bool guest_options_settle(struct guest_options *options, char *why, size_t size)
{
	if (options->machine && options->clock == GUEST_CLOCK_REAL) {
		snprintf(why, size, "--machine needs --clock virtual");
		return false;
	}
	if (options->ad == TDP_OFF && options->format == TDP_NPT) {
		snprintf(why, size, "--ad off: NPT always has accessed and dirty flags");
		return false;
	}
	return settle_memory(options, why, size) && settle_slots(options, why, size);
}

uint64_t guest_vcpu_pages(const struct guest_options *options)
{
	return options->bytes / tdp_level_bytes(options->backing);
}

uint64_t guest_vcpu_address(const struct guest_options *options, unsigned int i)
{
	return GUEST_BASE + (options->overlap ? 0 : i * options->bytes);
}

uint64_t guest_distinct_pages(const struct guest_options *options)
{
	uint64_t page = tdp_level_bytes(options->backing);

	return round_up(vcpus_bytes(options), page) / page;
}
