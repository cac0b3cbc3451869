/* A VM for tests of the checker. See checked.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/checked.h"

void slot_set(struct checked *guest, unsigned int id, uint64_t gfn, uint64_t pages, bool read_only)
{
	struct tdp_memslot slot = {
		.id = id,
		.gfn = tdp_gfn(gfn),
		.pages = pages,
		.backing = tdp_anon_backing(guest->anon),
		.read_only = read_only,
	};

	assert_int_equal(tdp_vm_set_memslot(guest->vm, &slot), 0);
}

void checked_begin(struct checked *guest, const struct shape *shape)
{
	struct tdp_host_config host = {
		.memory_bytes = 2ULL << 30,
		.table_bytes = 8ULL << 20,
		.check = true,
	};
	struct tdp_anon_config anon = {
		.bytes = PAGES * TDP_PAGE_SIZE,
		.page = shape->page,
	};
	const struct tdp_policy policy = {
		.lock = shape->lock,
		.slot_zap_all = shape->slot_zap_all,
	};
	struct tdp_vm_config vm = {
		.format = shape->format,
		.baseline = shape->baseline,
		.no_ad = shape->no_ad,
		.policy = &policy,
		.check = true,
	};

	if (shape->format == TDP_NPT)
		host.maxphyaddr = 48;
	memset(guest, 0, sizeof(*guest));
	assert_int_equal(tdp_host_create(&host, &guest->host), 0);
	assert_int_equal(tdp_anon_create(guest->host, &anon, &guest->anon), 0);
	assert_int_equal(tdp_vm_create(guest->host, &vm, &guest->vm), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(tdp_vcpu_create(guest->vm, NULL, &guest->vcpu[i]), 0);
	slot_set(guest, 0, BASE_GFN, PAGES, false);
}

void checked_end(struct checked *guest)
{
	tdp_vm_destroy(guest->vm);
	tdp_anon_destroy(guest->anon);
	tdp_host_destroy(guest->host);
}

int setup_4k(void **state)
{
	static struct checked guest;

	checked_begin(&guest, &(struct shape){.page = TDP_4K});
	*state = &guest;
	return 0;
}

int setup_2m(void **state)
{
	static struct checked guest;

	checked_begin(&guest, &(struct shape){.page = TDP_2M});
	*state = &guest;
	return 0;
}

int setup_no_ad(void **state)
{
	static struct checked guest;

	checked_begin(&guest, &(struct shape){.format = TDP_EPT, .page = TDP_4K, .no_ad = true});
	*state = &guest;
	return 0;
}

int teardown(void **state)
{
	checked_end(*state);
	return 0;
}

enum tdp_outcome touch(struct checked *guest, unsigned int vcpu, uint64_t gfn,
		       enum tdp_access access)
{
	struct tdp_access_request request = {.address = gfn << TDP_PAGE_SHIFT, .access = access};
	struct tdp_access_result result;

	assert_int_equal(tdp_vcpu_access(guest->vcpu[vcpu], &request, &result), 0);
	return result.outcome;
}

void touch_all(struct checked *guest, unsigned int vcpu, enum tdp_access access)
{
	for (uint64_t gfn = BASE_GFN; gfn < BASE_GFN + PAGES; gfn += 64)
		assert_int_equal(touch(guest, vcpu, gfn, access), TDP_ACCESS_DONE);
	assert_int_equal(touch(guest, vcpu, HOLE_GFN, TDP_READ), TDP_ACCESS_MMIO);
}

void note_violation(void *context, enum tdp_invariant invariant, const char *sentence)
{
	struct checked *guest = context;

	if (!guest->first[0])
		snprintf(guest->first, sizeof(guest->first), "%s: %s",
			 tdp_invariant_name(invariant), sentence);
	guest->found[invariant]++;
}

uint64_t judge(struct checked *guest)
{
	memset(guest->found, 0, sizeof(guest->found));
	guest->first[0] = 0;
	return tdp_vm_check(guest->vm, note_violation, guest);
}

void assert_in_order(struct checked *guest)
{
	uint64_t count = judge(guest);

	if (count)
		fail_msg("%llu violations; %s", (unsigned long long)count, guest->first);
}

void assert_only(struct checked *guest, enum tdp_invariant invariant)
{
	uint64_t count = judge(guest), others = 0;

	for (int i = 0; i < TDP_INVARIANTS; i++)
		others += i == (int)invariant ? 0 : guest->found[i];
	if (!guest->found[invariant] || others)
		fail_msg("wanted %s alone, got %llu violations; first %s",
			 tdp_invariant_name(invariant), (unsigned long long)count, guest->first);
}

struct lookup entry_of(const struct checked *guest, uint64_t gfn)
{
	return lookup_last(&guest->vm->mmu, guest->vcpu[0]->context.root.table, tdp_gfn(gfn));
}

atomic_u64 *link_of(const struct checked *guest, uint64_t gfn)
{
	return table_of_entry(guest->host, entry_of(guest, gfn).slot)->parent;
}

uint64_t plant(atomic_u64 *slot, uint64_t value)
{
	uint64_t was = u64_load_relaxed(slot);

	u64_store_release(slot, value);
	return was;
}

void forget_translations(struct checked *guest)
{
	for (unsigned int i = 0; i < 2; i++)
		tdp_vcpu_flush_tlb(guest->vcpu[i]);
}

void assert_planted(struct checked *guest, atomic_u64 *slot, uint64_t value,
		    enum tdp_invariant invariant)
{
	uint64_t was;

	forget_translations(guest);
	was = plant(slot, value);
	assert_only(guest, invariant);
	plant(slot, was);
	assert_in_order(guest);
}
