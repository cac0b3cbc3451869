/* Logged slots for the tests of the dirty log. See logged.h. */
#include "support/logged.h"

#include <string.h>

struct tdp_memslot logged_slot_of(const struct guest *guest, unsigned int id, uint64_t gfn,
				  uint64_t pages, uint64_t offset)
{
	struct tdp_memslot slot = guest_slot_of(guest, id, gfn, pages, offset);

	slot.log_dirty = true;
	return slot;
}

void slot_logged_as(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages,
		    uint64_t offset)
{
	struct tdp_memslot slot = logged_slot_of(guest, id, gfn, pages, offset);

	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

void slot_logged(struct guest *guest, bool log_dirty)
{
	struct tdp_memslot slot = guest_slot_of(guest, 1, AT, PAGES, 0);

	slot.log_dirty = log_dirty;
	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

uint64_t log_read(struct guest *guest, uint64_t bitmap[WORDS])
{
	uint64_t pages = 0;

	memset(bitmap, 0xa5, WORDS * sizeof(*bitmap));
	assert_int_equal(tdp_vm_get_dirty_log(guest->vm, 0, 1, bitmap, WORDS), 0);
	for (size_t i = 0; i < WORDS; i++)
		pages += (uint64_t)__builtin_popcountll(bitmap[i]);
	return pages;
}

void log_expect_as(struct guest *guest, const uint64_t *pages, size_t count)
{
	uint64_t bitmap[WORDS];
	uint64_t reported = log_read(guest, bitmap);

	for (size_t i = 0; i < count; i++)
		if (!(bitmap[pages[i] / 64] >> pages[i] % 64 & 1))
			fail_msg("page %llu is not reported", (unsigned long long)pages[i]);
	assert_int_equal(reported, count);
}

void log_expect_none(struct guest *guest)
{
	uint64_t bitmap[WORDS];

	assert_int_equal(log_read(guest, bitmap), 0);
}

void log_clear(struct guest *guest, uint64_t first, uint64_t pages)
{
	uint64_t bitmap[WORDS];

	memset(bitmap, 0xff, sizeof(bitmap));
	assert_int_equal(tdp_vm_clear_dirty_log(guest->vm, 0, 1, first, pages, bitmap), 0);
}

size_t flushes(const struct guest *guest)
{
	return guest_count(guest, TDP_TRACE_FLUSH);
}
