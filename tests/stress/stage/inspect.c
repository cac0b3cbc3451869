/* Runs the checker on the VM of a stage. See stress.h. */
#include "stress/stage/stress.h"

#include <stdio.h>

/* One call of the checker. */
struct inspection {
	const struct stress *stress;
	uint64_t findings; /* except those that the baseline explains */
};

/* Bugs of a baseline that the checker reports; docs/model.md says as which invariants. */
static bool baseline_explains(const struct stress *stress, enum tdp_invariant invariant)
{
	if (invariant == TDP_INVARIANT_LOG)
		return stress->policy.exit_keeps_log == TDP_ON;
	return stress->policy.spurious_if_allowed == TDP_OFF &&
	       (invariant == TDP_INVARIANT_TLB || invariant == TDP_INVARIANT_STALE_ACCESS);
}

static void print_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	struct inspection *inspection = context;

	if (baseline_explains(inspection->stress, invariant))
		return;
	inspection->findings++;
	fprintf(stderr, "%s: checker: %s: %s\n", inspection->stress->scenario->name,
		tdp_invariant_name(invariant), sentence);
}

uint64_t stress_inspect(struct stress *stress)
{
	struct inspection inspection = {.stress = stress};

	tdp_vm_check(stress->vm, print_violation, &inspection);
	return inspection.findings;
}
