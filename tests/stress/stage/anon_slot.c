/* Anonymous memory whose pages are discarded. See anon_slot.h. */
#include "stress/stage/anon_slot.h"

#define SMALL_CHUNK_PAGES 16

struct anon_slot *anon_slot_create(struct stress *stress, unsigned int id, tdp_gfn_t gfn,
				   enum tdp_level page, unsigned int chunks)
{
	uint64_t bytes = page == TDP_4K ? SMALL_CHUNK_PAGES * TDP_PAGE_SIZE : tdp_level_bytes(page);
	struct anon_slot *slot = stress_allocate(stress, sizeof(*slot));
	size_t samples = (size_t)stress->vcpu_count * chunks * ANON_SLOT_SAMPLES;

	if (!slot)
		return NULL;
	*slot = (struct anon_slot){
		.anon = stress_anon(stress, chunks * bytes, page),
		.gfn = gfn,
		.chunks = chunks,
		.chunk_bytes = bytes,
		.records = stress_allocate(stress, samples * sizeof(struct anon_slot_record)),
		.turns = stress_allocate(stress, chunks * sizeof(atomic_u32)),
	};
	if (!slot->anon || !slot->records || !slot->turns)
		return NULL;
	if (stress_slot(stress, 0, id, gfn, anon_slot_frames(slot), tdp_anon_backing(slot->anon),
			false))
		return NULL;
	return slot;
}

static uint64_t spot_gpa(const struct player *player, const struct anon_slot *slot,
			 unsigned int chunk, unsigned int sample)
{
	uint64_t pages = slot->chunk_bytes >> TDP_PAGE_SHIFT;

	return (slot->gfn.n << TDP_PAGE_SHIFT) + chunk * slot->chunk_bytes +
	       (sample * (pages / ANON_SLOT_SAMPLES) << TDP_PAGE_SHIFT) +
	       tdp_vcpu_id(player->vcpu) * sizeof(uint64_t);
}

static int access_word(struct player *player, uint64_t gpa, enum tdp_access access, uint64_t *word)
{
	struct tdp_access_result result;
	int err = player_access(player, gpa, access, word, sizeof(*word), &result);

	if (!err && result.outcome != TDP_ACCESS_DONE)
		return player_fail(player, "gpa 0x%llx: outcome %d", (unsigned long long)gpa,
				   (int)result.outcome);
	return err;
}

/* D1 */
static int judge(struct player *player, uint64_t gpa, const struct anon_slot_record *record,
		 uint64_t word)
{
	if (word == record->value)
		return 0;
	return player_fail(player, "gpa 0x%llx: read 0x%llx, had written 0x%llx",
			   (unsigned long long)gpa, (unsigned long long)word,
			   (unsigned long long)record->value);
}

int anon_slot_visit(struct player *player, struct anon_slot *slot)
{
	unsigned int chunk = (unsigned int)player_below(player, slot->chunks);
	unsigned int sample = (unsigned int)player_below(player, ANON_SLOT_SAMPLES);
	struct anon_slot_record *record =
		&slot->records[((size_t)tdp_vcpu_id(player->vcpu) * slot->chunks + chunk) *
				       ANON_SLOT_SAMPLES +
			       sample];
	uint64_t gpa = spot_gpa(player, slot, chunk, sample), word = 0;
	uint32_t turn = u32_load_acquire(&slot->turns[chunk]);
	bool known = record->value && record->turn == turn;
	int err;

	if (!known || player_chance(player, 2)) {
		word = player_random(player) | 1;
		err = access_word(player, gpa, TDP_WRITE, &word);
		*record = (struct anon_slot_record){turn, word};
		known = true;
	} else {
		err = access_word(player, gpa, TDP_READ, &word);
	}
	if (!err)
		err = access_word(player, gpa, TDP_READ, &word);
	if (err)
		return err;
	if (turn & 1 || u32_load_acquire(&slot->turns[chunk]) != turn) {
		*record = (struct anon_slot_record){0};
		return 0;
	}
	return judge(player, gpa, record, word);
}

int anon_slot_discard(struct player *player, struct anon_slot *slot)
{
	unsigned int chunk = (unsigned int)player_below(player, slot->chunks);
	uint32_t turn = u32_load_relaxed(&slot->turns[chunk]);
	int err;

	if (turn & 1 || !u32_cas_acq_rel(&slot->turns[chunk], &turn, turn + 1))
		return 0;
	err = tdp_anon_discard(slot->anon, chunk * slot->chunk_bytes, slot->chunk_bytes);
	u32_add_acq_rel(&slot->turns[chunk], 1);
	return err ? player_fail(player, "a discard ended with %d", err) : 0;
}
