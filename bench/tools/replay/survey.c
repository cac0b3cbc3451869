#include "survey.h"

#include <tdpsim/types.h>

#define NOT_A_FRAME	   ((uint64_t)1 << 52)
#define CAP_DISABLE_QUIRKS 213
#define QUIRK_SLOT_ZAP_ALL 0x80

static const enum event_kind kvmmmu_kinds[] = {
	EVENT_FAST_PAGE_FAULT, EVENT_SPTE_REQUESTED, EVENT_GET_PAGE, EVENT_ZAP_PAGE,
	EVENT_SPTE_CHANGED,    EVENT_SET_SPTE,	     EVENT_SPLIT,    EVENT_MARK_MMIO,
	EVENT_CHECK_MMIO,      EVENT_ZAP_ALL_FAST,
};

static const enum event_kind probe_kinds[] = {
	EVENT_RETURN,	 EVENT_MARK_DIRTY, EVENT_FLUSH,	     EVENT_LOAD_ROOT,
	EVENT_MISCONFIG, EVENT_RING_PUSH,  EVENT_RING_RESET,
};

static const enum event_kind marker_kinds[] = {EVENT_REGION_RESULT, EVENT_LOG_RESULT,
					       EVENT_RESET_RESULT, EVENT_RING_ENTRY, EVENT_EXIT};

static const enum event_kind fault_kinds[] = {EVENT_PAGE_FAULT};

static const struct {
	const enum event_kind *kinds;
	size_t count;
} groups[] = {
	{kvmmmu_kinds, sizeof(kvmmmu_kinds) / sizeof(kvmmmu_kinds[0])},
	{probe_kinds, sizeof(probe_kinds) / sizeof(probe_kinds[0])},
	{marker_kinds, sizeof(marker_kinds) / sizeof(marker_kinds[0])},
	{fault_kinds, sizeof(fault_kinds) / sizeof(fault_kinds[0])},
};

void survey_recorded(const struct trace *trace, bool recorded[EVENT_KINDS])
{
	bool seen[EVENT_KINDS] = {false};

	for (size_t i = 0; i < trace->count; i++)
		seen[trace->events[i].kind] = true;
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		bool any = false;

		for (size_t k = 0; k < groups[g].count; k++)
			any |= seen[groups[g].kinds[k]];
		for (size_t k = 0; k < groups[g].count; k++)
			recorded[groups[g].kinds[k]] = any;
	}
}

bool survey_lacks_misconfig(const struct trace *trace, bool ept)
{
	bool reads_mmio_spte = false;

	for (size_t i = 0; i < trace->count; i++) {
		if (trace->events[i].kind == EVENT_MISCONFIG)
			return false;
		reads_mmio_spte |= trace->events[i].kind == EVENT_CHECK_MMIO;
	}
	return ept && reads_mmio_spte;
}

bool survey_emulated_cpu(const struct trace *trace, bool ept)
{
	uint64_t mask = ept ? 0x183 : 0x9, hardware = ept ? 0x83 : 0x9, emulator = ept ? 0x82 : 0x8;
	unsigned int as_hardware = 0, as_emulator = 0;

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind != EVENT_PAGE_FAULT)
			continue;
		as_hardware += (event->u.page_fault.error_code & mask) == hardware;
		as_emulator += (event->u.page_fault.error_code & mask) == emulator;
	}
	return as_emulator > 0 || as_hardware < 2;
}

/* The first frame behind the page of any size that holds `pfn`. */
static uint64_t end_of_page(uint64_t pfn, unsigned int level)
{
	uint64_t pages = tdp_level_pages(level <= TDP_LEAF_LEVEL_MAX ? level : 1);

	return (pfn / pages + 1) * pages;
}

uint64_t survey_pfn_limit(const struct trace *trace)
{
	uint64_t limit = 0;

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		uint64_t end;

		if (event->kind != EVENT_SPTE_REQUESTED || event->u.requested.pfn >= NOT_A_FRAME)
			continue;
		end = end_of_page(event->u.requested.pfn, event->u.requested.level);
		limit = end > limit ? end : limit;
	}
	return limit;
}

unsigned int survey_vcpus(const struct trace *trace)
{
	unsigned int count = 1;

	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_ACCESS && event->u.access.vcpu >= count)
			count = event->u.access.vcpu + 1;
	}
	return count;
}

uint64_t survey_capability(const struct trace *trace, uint64_t capability)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_CAPABILITY && event->u.capability.rc == 0 &&
		    event->u.capability.capability == capability)
			return event->u.capability.argument;
	}
	return 0;
}

bool survey_disables_slot_zap_all(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_CAPABILITY &&
		    event->u.capability.capability == CAP_DISABLE_QUIRKS &&
		    event->u.capability.rc == 0 &&
		    (event->u.capability.argument & QUIRK_SLOT_ZAP_ALL))
			return true;
	}
	return false;
}

unsigned int survey_recovery_ratio(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct event *event = &trace->events[i];

		if (event->kind == EVENT_PARAMETER &&
		    event->u.parameter.name == PARAMETER_NX_RATIO && event->u.parameter.value)
			return (unsigned int)event->u.parameter.value;
	}
	return 0;
}
