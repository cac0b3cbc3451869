/*
 * See expect_ept.h.
 */
#include "support/expect_ept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

bool is_as_wanted(const struct tdp_walk_result *result, uint64_t wanted)
{
	if (wanted == OK)
		return result->outcome == TDP_WALK_DONE && result->error_code == 0;
	if (wanted == MISC)
		return result->outcome == TDP_WALK_MISCONFIG && result->error_code == 0;
	if (wanted & BIT(40))
		return result->outcome == TDP_WALK_GUEST_FAULT && result->error_code == 0 &&
		       result->guest_error_code == (wanted & 0xff);
	return result->outcome == TDP_WALK_VIOLATION && result->error_code == wanted;
}

void expect_at(const struct tdp_walk_result *result, uint64_t wanted, const char *file, int line)
{
	if (is_as_wanted(result, wanted))
		return;
	fail_msg("%s:%d: wanted %#llx, got outcome %d, code %#llx, guest code %#x, gpa %#llx, "
		 "entry %#llx at level %u",
		 file, line, (unsigned long long)wanted, (int)result->outcome,
		 (unsigned long long)result->error_code, result->guest_error_code,
		 (unsigned long long)result->gpa, (unsigned long long)result->entry,
		 result->entry_level);
}
