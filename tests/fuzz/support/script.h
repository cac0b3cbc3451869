/*
 * Memory of the host whose mapping a fuzzer's input decides: 1 GiB of the carve-out,
 * mapped at a level, with rights, and with errors, that may change at any time.
 */
#ifndef TESTS_FUZZ_SUPPORT_SCRIPT_H
#define TESTS_FUZZ_SUPPORT_SCRIPT_H

#include <errno.h>

#include <tdpsim/host.h>

#define SCRIPT_BYTES ((uint64_t)1 << 30)
#define SCRIPT_HVA   ((uint64_t)1 << 46) /* beyond all anonymous memory */

struct script {
	struct tdp_backing backing;
	tdp_pfn_t first;
	unsigned int level;
	bool read_only, device, broken;
	uint64_t resolved, released;
};

static inline void script_page(const struct script *script, uint64_t hva,
			       struct tdp_backing_page *page)
{
	*page = (struct tdp_backing_page){
		.pfn = tdp_pfn(script->first.n + ((hva - SCRIPT_HVA) >> TDP_PAGE_SHIFT)),
		.writable = !script->read_only,
		.device = script->device,
	};
}

static inline int script_resolve(void *context, void *caller, uint64_t hva, bool write,
				 struct tdp_backing_page *page)
{
	struct script *script = context;

	(void)caller;
	if (script->broken)
		return -EHWPOISON;
	if (write && script->read_only)
		return -EFAULT;
	script_page(script, hva, page);
	script->resolved++;
	return 0;
}

static inline void script_release(void *context, uint64_t hva, const struct tdp_backing_page *page,
				  bool mapped_writable)
{
	struct script *script = context;

	(void)hva;
	(void)page;
	(void)mapped_writable;
	script->released++;
}

static inline unsigned int script_level(void *context, uint64_t hva)
{
	const struct script *script = context;

	(void)hva;
	return script->level;
}

static inline int script_peek(void *context, uint64_t hva, struct tdp_backing_page *page)
{
	script_page(context, hva, page);
	return 0;
}

static inline void script_begin(struct script *script, tdp_pfn_t first)
{
	static const struct tdp_backing_ops ops = {script_resolve, script_release, script_level,
						   script_peek};

	*script = (struct script){
		.backing = {&ops, script, SCRIPT_HVA, SCRIPT_BYTES, TDP_1G},
		.first = first,
		.level = TDP_2M,
	};
}

#endif
