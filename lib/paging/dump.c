/*
 * Readable text of tables: one translation step by step, and a whole tree. It reads frames as the
 * walk does, through the walker's masks, and shows an entry as the hardware interprets it, with the
 * MMU's own bits beside.
 */
#include "paging/layout.h"
#include "paging/walker.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ENTRY_TEXT 96

struct flag {
	uint64_t mask;
	const char *name;
};

static void append(char *text, const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, ENTRY_TEXT - used, " %s", word);
}

static void append_flags(char *text, uint64_t entry, const struct flag *flags, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (entry & flags[i].mask)
			append(text, flags[i].name);
}

/* "rwx" in EPT's terms; for NPT, the rights that an access of each kind needs. */
static void describe_rights(const struct walker *walker, uint64_t entry, char *text)
{
	const struct format *format = walker->format;
	bool exec = format->no_exec ? !(entry & format->no_exec) : entry & format->exec;

	snprintf(text, ENTRY_TEXT, "%c%c%c", entry & format->read ? 'r' : '-',
		 entry & format->write ? 'w' : '-', exec ? 'x' : '-');
	if (format->user)
		append(text, entry & format->user ? "user" : "supervisor");
	if (walker->config.mbec && entry & format->exec_user)
		append(text, "user-x");
}

static void describe(const struct walker *walker, uint64_t entry, unsigned int level, char *text)
{
	const struct format *format = walker->format;
	const struct layout *layout = layout_of(walker->config.layout, format->id);
	bool leaf = walker_is_leaf(walker, entry, level);
	static const char *const memory_types[] = {"UC", "WC", "type 2", "type 3",
						   "WT", "WP", "WB",	 "type 7"};
	const struct flag flags[] = {
		{walker->accessed, "A"},
		{leaf ? walker->dirty : 0, "D"},
		{layout->host_writable, "host-writable"},
		{layout->mmu_writable, "mmu-writable"},
	};

	if (!walker_is_present(walker, entry)) {
		snprintf(text, ENTRY_TEXT, "not present");
		return;
	}
	describe_rights(walker, entry, text);
	append_flags(text, entry, flags, sizeof(flags) / sizeof(flags[0]));
	if (leaf && format->memory_type) {
		unsigned int type = (unsigned int)(entry >> 3) & 7;

		append(text, memory_types[type]);
	}
	if (walker_is_misconfigured(walker, entry, level, leaf))
		append(text, "MISCONFIGURED");
}

static int closing(FILE *out)
{
	return fflush(out) || ferror(out) ? -EIO : 0;
}

/* One translation */

static const char *outcome_name(const struct walker *walker, const struct tdp_walk_result *result)
{
	bool npt = walker->config.format == TDP_NPT;

	switch (result->outcome) {
	case TDP_WALK_DONE:
		return "done";
	case TDP_WALK_VIOLATION:
		return npt ? "nested page fault" : "EPT violation";
	case TDP_WALK_MISCONFIG:
		return npt ? "nested page fault, reserved bit" : "EPT misconfiguration";
	case TDP_WALK_GUEST_FAULT:
		return "guest page fault";
	case TDP_WALK_NO_FRAME:
		return "points outside the host's memory";
	case TDP_WALK_LOG_FULL: /* only for a vCPU */
		break;
	}
	return "?";
}

/* The entries that the walk reads, down to the one where it ends. */
static void dump_steps(const struct walker *walker, tdp_pfn_t table, uint64_t gpa, FILE *out)
{
	uint64_t gfn = gpa >> TDP_PAGE_SHIFT;

	for (unsigned int level = walker->config.levels; level; level--) {
		unsigned int index = entry_index(gfn, level);
		char text[ENTRY_TEXT];
		atomic_u64 *words;
		uint64_t entry;

		if (!host_has_frame(walker->host, table))
			return;
		words = frame_address(walker->host, table);
		entry = u64_load_acquire(&words[index]);
		describe(walker, entry, level, text);
		fprintf(out, "level %u  table %#" PRIx64 "[%u] = 0x%016" PRIx64 "  %s\n", level,
			table.n, index, entry, text);
		if (!walker_is_present(walker, entry) || walker_is_leaf(walker, entry, level) ||
		    walker_is_misconfigured(walker, entry, level, false))
			return;
		table = entry_pfn(entry);
	}
}

static void dump_outcome(const struct walker *walker, const struct tdp_walk_result *result,
			 FILE *out)
{
	fprintf(out, "=> %s", outcome_name(walker, result));
	if (result->outcome == TDP_WALK_DONE)
		fprintf(out, ": pfn %#" PRIx64 ", level %u%s%s%s", result->pfn.n, result->level,
			result->writable ? ", writable" : "",
			result->executable ? ", executable" : "", result->dirty ? ", dirty" : "");
	else if (result->outcome != TDP_WALK_NO_FRAME)
		fprintf(out, ": code %#" PRIx64, result->error_code);
	fputc('\n', out);
}

int tdp_dump_walk(const struct tdp_host *host, const struct tdp_walk_config *config, tdp_pfn_t root,
		  uint64_t gpa, FILE *out)
{
	const struct tdp_walk_request request = {
		.address = gpa, .access = TDP_READ, .user = true, .no_update = true};
	struct tdp_walk_result result;
	struct walker walker;
	int err = walker_init(&walker, host, config);

	if (err)
		return err;
	fprintf(out, "gpa %#" PRIx64 " under %s root %#" PRIx64 ", %u levels\n", gpa,
		walker.format->name, root.n, walker.config.levels);
	if (!(gpa >> TDP_PAGE_SHIFT >> (9 * walker.config.levels)))
		dump_steps(&walker, root, gpa, out);
	walk_second(&walker, NULL, root, &request, &result);
	dump_outcome(&walker, &result, out);
	return closing(out);
}

/* A tree */

/* Neighbouring leaves that map neighbouring frames with the same rights. */
struct fold {
	uint64_t gfn, pages; /* pages 0: there is no run to print */
	uint64_t entry;	     /* the first one */
	unsigned int level;
};

struct tree_dump {
	const struct walker *walker;
	FILE *out;
	unsigned int lines, max_lines;
	bool full; /* the last line has been printed */
	struct fold fold;
};

static bool take_line(struct tree_dump *dump)
{
	if (dump->full)
		return false;
	if (dump->max_lines && dump->lines == dump->max_lines) {
		fputs("... (the tree goes on)\n", dump->out);
		dump->full = true;
		return false;
	}
	dump->lines++;
	return true;
}

static void print_entry(struct tree_dump *dump, uint64_t gfn, uint64_t pages, uint64_t entry,
			unsigned int level)
{
	static const char *const sizes[] = {"", "4K", "2M", "1G"};
	const struct walker *walker = dump->walker;
	bool leaf = walker_is_leaf(walker, entry, level);
	char text[ENTRY_TEXT];

	if (!take_line(dump))
		return;
	describe(walker, entry, level, text);
	fprintf(dump->out, "%*s[%#" PRIx64 ", %#" PRIx64 ") ",
		(int)(2 * (walker->config.levels - level)), "", gfn, gfn + pages);
	if (walker_is_present(walker, entry))
		fprintf(dump->out, "%s %#" PRIx64 " %s", leaf ? sizes[level] : "table",
			entry_pfn(entry).n, text);
	else
		fprintf(dump->out, "not present 0x%016" PRIx64, entry);
	fputc('\n', dump->out);
}

static void flush_fold(struct tree_dump *dump)
{
	struct fold *fold = &dump->fold;

	if (fold->pages)
		print_entry(dump, fold->gfn, fold->pages, fold->entry, fold->level);
	fold->pages = 0;
}

/* The value that continues the fold; a not-present entry just stays the same. */
static uint64_t expected_next(const struct tree_dump *dump)
{
	const struct fold *fold = &dump->fold;

	if (!walker_is_present(dump->walker, fold->entry))
		return fold->entry;
	return fold->entry + (fold->pages << TDP_PAGE_SHIFT);
}

static void add_to_fold(struct tree_dump *dump, uint64_t gfn, uint64_t entry, unsigned int level)
{
	struct fold *fold = &dump->fold;

	if (!fold->pages || fold->level != level || fold->gfn + fold->pages != gfn ||
	    expected_next(dump) != entry) {
		flush_fold(dump);
		*fold = (struct fold){.gfn = gfn, .entry = entry, .level = level};
	}
	fold->pages += tdp_level_pages(level);
}

/* The value that fills an empty table. */
static bool is_blank(const struct walker *walker, uint64_t entry)
{
	return !(entry & ~walker->format->suppress_ve);
}

/* At most five levels deep. */
static void dump_table(struct tree_dump *dump, tdp_pfn_t table, unsigned int level, uint64_t gfn)
{
	const struct walker *walker = dump->walker;
	atomic_u64 *words;

	if (!host_has_frame(walker->host, table)) {
		if (take_line(dump))
			fprintf(dump->out, "table %#" PRIx64 " is outside the host's memory\n",
				table.n);
		return;
	}
	words = frame_address(walker->host, table);
	for (unsigned int i = 0; i < 512 && !dump->full; i++, gfn += tdp_level_pages(level)) {
		uint64_t entry = u64_load_acquire(&words[i]);
		bool leaf = walker_is_leaf(walker, entry, level);

		if (is_blank(walker, entry))
			continue;
		if (!walker_is_present(walker, entry) || leaf ||
		    walker_is_misconfigured(walker, entry, level, leaf)) {
			add_to_fold(dump, gfn, entry, level);
			continue;
		}
		flush_fold(dump);
		print_entry(dump, gfn, tdp_level_pages(level), entry, level);
		dump_table(dump, entry_pfn(entry), level - 1, gfn);
		flush_fold(dump);
	}
}

int tdp_dump_tables(const struct tdp_host *host, const struct tdp_walk_config *config,
		    tdp_pfn_t root, unsigned int max_lines, FILE *out)
{
	struct walker walker;
	struct tree_dump dump = {.walker = &walker, .out = out, .max_lines = max_lines};
	int err = walker_init(&walker, host, config);

	if (err)
		return err;
	fprintf(out, "%s root %#" PRIx64 ", %u levels\n", walker.format->name, root.n,
		walker.config.levels);
	dump_table(&dump, root, walker.config.levels, 0);
	flush_fold(&dump);
	return closing(out);
}
