#include "common/measurement.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/memory.h"
#include "common/status.h"
#include "common/twin.h"

const char *phase_title(const struct phase *phase, char text[PHASE_NAME])
{
	if (!phase->number)
		return phase->name;
	snprintf(text, PHASE_NAME, "%s-%u", phase->name, phase->number);
	return text;
}

void phase_extra(struct phase *phase, const char *name, uint64_t value)
{
	struct phase_extra *extra = phase->extras;

	while (extra->name)
		extra++;
	*extra = (struct phase_extra){name, value};
}

void measurement_fini(struct measurement *measurement)
{
	for (size_t i = 0; i < measurement->phase_count; i++)
		stall_fini(&measurement->phases[i].stall);
	free(measurement->phases);
	measurement->phases = NULL;
	measurement->phase_count = 0;
}

struct phase *measurement_phase(struct measurement *measurement, struct phase phase)
{
	size_t count = measurement->phase_count++;

	measurement->phases =
		must_reallocarray(measurement->phases, count + 1, sizeof(*measurement->phases));
	measurement->phases[count] = phase;
	return &measurement->phases[count];
}

void measurement_fail(struct measurement *measurement, const char *format, ...)
{
	char sentence[sizeof(measurement->failures[0])];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	complain("check failed: %s", sentence);
	if (measurement->failure_count < FAILURES)
		snprintf(measurement->failures[measurement->failure_count], sizeof(sentence), "%s",
			 sentence);
	measurement->failure_count++;
}

struct violations {
	unsigned int shown;
};

static void show_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	struct violations *violations = context;

	if (violations->shown++ < 20)
		complain("violation (%s): %s", tdp_invariant_name(invariant), sentence);
}

void measurement_check(struct measurement *measurement, const struct guest *guest)
{
	struct violations violations = {0};

	if (!guest->options.check)
		return;
	measurement->checked = true;
	measurement->violations += tdp_vm_check(guest->vm, show_violation, &violations);
}

void measurement_take(struct measurement *measurement, const struct guest *guest)
{
	struct tdp_host_memory usage;

	measurement->resident_bytes = (int64_t)(resident_bytes() - guest->resident_before);
	tdp_vm_stats(guest->vm, &measurement->stats);
	tdp_host_usage(guest->host, &usage);
	measurement->table_bytes = usage.table_frames * TDP_PAGE_SIZE;
	/* In virtual time, the bytes requested: how an allocator rounds them depends on the host.
	 */
	if (twin_clock() == GUEST_CLOCK_VIRTUAL ||
	    !allocator_bytes(&guest->allocator, &measurement->metadata_bytes))
		measurement->metadata_bytes = usage.metadata_bytes;
	measurement_check(measurement, guest);
}

void measurement_verify(struct measurement *measurement)
{
	const struct tdp_stats *stats = &measurement->stats;
	uint64_t faults = 0, results = stats->pf_fixed + stats->pf_spurious + stats->pf_emulate +
				       stats->retries + stats->errors;

	if (stats->pf_taken != results)
		measurement_fail(measurement,
				 "%" PRIu64 " faults were taken, but %" PRIu64 " have a result",
				 stats->pf_taken, results);
	for (size_t i = 0; i < measurement->phase_count; i++)
		faults += measurement->phases[i].faults;
	if (stats->pf_taken != faults)
		measurement_fail(measurement, "the phases took %" PRIu64 " faults, the VM %" PRIu64,
				 faults, stats->pf_taken);
}
