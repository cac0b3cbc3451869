/* Anonymous memory under pressure. See field.h. */
#include "support/field.h"

#define SMALL_CHUNK_PAGES 16

struct field *field_create(struct stress *stress, unsigned int id, tdp_gfn_t gfn,
			   enum tdp_level page, unsigned int chunks)
{
	uint64_t bytes = page == TDP_4K ? SMALL_CHUNK_PAGES * TDP_PAGE_SIZE : tdp_level_bytes(page);
	struct field *field = stress_allocate(stress, sizeof(*field));
	size_t spots = (size_t)stress->vcpu_count * chunks * FIELD_SPOTS;

	if (!field)
		return NULL;
	*field = (struct field){
		.anon = stress_anon(stress, chunks * bytes, page),
		.gfn = gfn,
		.chunks = chunks,
		.chunk_bytes = bytes,
		.memories = stress_allocate(stress, spots * sizeof(struct field_memory)),
		.turns = stress_allocate(stress, chunks * sizeof(atomic_u32)),
	};
	if (!field->anon || !field->memories || !field->turns)
		return NULL;
	if (stress_slot(stress, 0, id, gfn, field_frames(field), tdp_anon_backing(field->anon),
			false))
		return NULL;
	return field;
}

static uint64_t spot_gpa(const struct player *player, const struct field *field, unsigned int chunk,
			 unsigned int spot)
{
	uint64_t pages = field->chunk_bytes >> TDP_PAGE_SHIFT;

	return (field->gfn.n << TDP_PAGE_SHIFT) + chunk * field->chunk_bytes +
	       (spot * (pages / FIELD_SPOTS) << TDP_PAGE_SHIFT) +
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
static int judge(struct player *player, uint64_t gpa, const struct field_memory *memory,
		 uint64_t word)
{
	if (word == memory->value)
		return 0;
	return player_fail(player, "gpa 0x%llx: read 0x%llx, had written 0x%llx",
			   (unsigned long long)gpa, (unsigned long long)word,
			   (unsigned long long)memory->value);
}

int field_visit(struct player *player, struct field *field)
{
	unsigned int chunk = (unsigned int)player_below(player, field->chunks);
	unsigned int spot = (unsigned int)player_below(player, FIELD_SPOTS);
	struct field_memory *memory =
		&field->memories[((size_t)tdp_vcpu_id(player->vcpu) * field->chunks + chunk) *
					 FIELD_SPOTS +
				 spot];
	uint64_t gpa = spot_gpa(player, field, chunk, spot), word = 0;
	uint32_t turn = u32_load_acquire(&field->turns[chunk]);
	bool known = memory->value && memory->turn == turn;
	int err;

	if (!known || player_chance(player, 2)) {
		word = player_random(player) | 1;
		err = access_word(player, gpa, TDP_WRITE, &word);
		*memory = (struct field_memory){turn, word};
		known = true;
	} else {
		err = access_word(player, gpa, TDP_READ, &word);
	}
	if (!err)
		err = access_word(player, gpa, TDP_READ, &word);
	if (err)
		return err;
	if (turn & 1 || u32_load_acquire(&field->turns[chunk]) != turn) {
		*memory = (struct field_memory){0};
		return 0;
	}
	return judge(player, gpa, memory, word);
}

int field_discard(struct player *player, struct field *field)
{
	unsigned int chunk = (unsigned int)player_below(player, field->chunks);
	uint32_t turn = u32_load_relaxed(&field->turns[chunk]);
	int err;

	if (turn & 1 || !u32_cas_acq_rel(&field->turns[chunk], &turn, turn + 1))
		return 0;
	err = tdp_anon_discard(field->anon, chunk * field->chunk_bytes, field->chunk_bytes);
	u32_add_acq_rel(&field->turns[chunk], 1);
	return err ? player_fail(player, "a discard ended with %d", err) : 0;
}
