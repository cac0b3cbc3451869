/* Guests with NX huge pages. See nx.h. */
#include "support/nx.h"

void expect_pair(const struct guest *guest, int64_t pages_2m, int64_t splits)
{
	struct tdp_stats stats = guest_stats(guest);

	assert_int_equal(stats.pages_2m, pages_2m);
	assert_int_equal(stats.nx_lpage_splits, splits);
}

bool executable(const struct guest *guest, uint64_t gfn)
{
	return guest_walk(guest, gfn, TDP_FETCH).outcome == TDP_WALK_DONE;
}

uint64_t nx_huge(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;
	uint64_t all = guest_nonpresent(guest); /* suppress-#VE, on EPT */

	return npt ? 0x8000000000000ee7 : 0x0600000000000bf3 | all;
}

uint64_t small(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;

	return npt ? 0xe67 : 0x0600000000000b77 | guest_nonpresent(guest);
}

uint64_t small_clean(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;

	return npt ? 0xe27 : 0x0600000000000977 | guest_nonpresent(guest);
}

uint64_t table_link(const struct guest *guest)
{
	bool npt = guest->config.vm.format == TDP_NPT;

	return npt ? 0x827 : 0x907 | guest_nonpresent(guest);
}

struct guest *with_2m(void **state, enum tdp_baseline baseline)
{
	struct guest *guest = guest_make(state, NX_ON, .page = TDP_2M, .vm.baseline = baseline,
					 .vm.nx_recovery_ratio = 1);

	guest_slot(guest, 1, AT, 4 * REGION, 0);
	guest_touch(guest, AT, TDP_WRITE);
	assert_int_equal(guest_entry_bits(guest, AT), nx_huge(guest));
	assert_false(executable(guest, AT));
	guest_forget(guest);
	return guest;
}
