#include "slots.h"

#include <stddef.h>

bool slots_hit(const struct slots *slots, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < SLOTS_SPACES * SLOTS_MAX; i++) {
		const struct slot *slot = &slots->slot[i / SLOTS_MAX][i % SLOTS_MAX];

		if (slot->used && start < slot->hva + slot->bytes && slot->hva < end)
			return true;
	}
	return false;
}

const struct slot *slots_find(const struct slots *slots, unsigned int as_id, uint64_t gpa)
{
	for (unsigned int i = 0; i < SLOTS_MAX; i++) {
		const struct slot *slot = &slots->slot[as_id][i];

		if (slot->used && slot->gpa <= gpa && gpa - slot->gpa < slot->bytes)
			return slot;
	}
	return NULL;
}

struct slot *slots_at(struct slots *slots, unsigned int as_id, unsigned int id)
{
	return as_id < SLOTS_SPACES && id < SLOTS_MAX ? &slots->slot[as_id][id] : NULL;
}
