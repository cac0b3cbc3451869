/* Counts and reports violations. See checker.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "check/checker.h"

#define SENTENCE_BYTES 512

static const char *const names[TDP_INVARIANTS] = {
	[TDP_INVARIANT_ENTRY] = "entry",
	[TDP_INVARIANT_WRITABILITY] = "writability",
	[TDP_INVARIANT_FROZEN] = "frozen",
	[TDP_INVARIANT_TLB] = "tlb",
	[TDP_INVARIANT_MAPPING] = "mapping",
	[TDP_INVARIANT_LIFETIME] = "lifetime",
	[TDP_INVARIANT_INVALID_ROOT] = "invalid-root",
	[TDP_INVARIANT_COUNT] = "count",
	[TDP_INVARIANT_REFERENCE] = "reference",
	[TDP_INVARIANT_STALE_ACCESS] = "stale-access",
	[TDP_INVARIANT_NX] = "nx",
	[TDP_INVARIANT_LOG] = "log",
};

const char *tdp_invariant_name(enum tdp_invariant invariant)
{
	return (unsigned int)invariant < TDP_INVARIANTS ? names[invariant] : NULL;
}

void violation(struct checker *checker, enum tdp_invariant invariant, const char *format, ...)
{
	char sentence[SENTENCE_BYTES];
	va_list arguments;

	checker->violations++;
	if (!checker->sink)
		return;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	checker->sink(checker->context, invariant, sentence);
}

void violation_at(struct checker *checker, enum tdp_invariant invariant,
		  const struct met_entry *spot, const char *reason)
{
	char history[HISTORY_BYTES];

	history_describe(&checker->mmu->checks.history, spot->address_space, spot->gfn, history);
	violation(checker, invariant,
		  "gfn 0x%" PRIx64 ", level %u, entry 0x%016" PRIx64 ", root 0x%" PRIx64
		  " of role 0x%08" PRIx32 ": %s%s",
		  spot->gfn.n, spot->level, spot->entry, table_pfn(checker->vm->host, spot->root).n,
		  u32_load_relaxed(&spot->root->role), reason, history);
}
