/* Slots that change while vCPUs use them. See moving_slot.h. */
#include "stress/stage/moving_slot.h"

enum moving_slot_state {
	AT_FIRST,
	AT_SECOND,
	ABSENT,
	CHANGING,
};

static enum moving_slot_state state_of(uint32_t word)
{
	return (enum moving_slot_state)(word & 3);
}

static void enter(struct moving_slot *slot, enum moving_slot_state state)
{
	uint32_t count = (u32_load_relaxed(&slot->word) >> 2) + 1;

	u32_store_release(&slot->word, count << 2 | state);
}

static int set_slot(struct moving_slot *slot, tdp_gfn_t gfn, uint64_t pages)
{
	return tdp_vm_set_memslot(slot->memory->stress->vm,
				  &(struct tdp_memslot){
					  .address_space = slot->address_space,
					  .id = slot->id,
					  .gfn = gfn,
					  .pages = pages,
					  .backing = &slot->memory->backing,
					  .read_only = slot->read_only,
				  });
}

struct moving_slot *moving_slot_create(struct stress *stress, const struct stamped_config *config,
				       unsigned int address_space, unsigned int id, tdp_gfn_t first,
				       tdp_gfn_t second, bool read_only)
{
	struct moving_slot *slot = stress_allocate(stress, sizeof(*slot));
	struct stamped *memory = stamped_create(stress, config);

	if (!slot || !memory)
		return NULL;
	*slot = (struct moving_slot){
		.memory = memory,
		.records = stamped_records(stress, memory),
		.address_space = address_space,
		.id = id,
		.gfn = {first, second},
		.read_only = read_only,
	};
	for (unsigned int i = 0; i < 2; i++)
		memory->places[i] = (struct stamped_place){address_space, slot->gfn[i]};
	u32_init(&slot->word, AT_FIRST);
	if (!slot->records || set_slot(slot, first, stamped_frames(memory)))
		return NULL;
	return slot;
}

/* Whether the outcome is possible if the slot was in `state` throughout. */
static bool outcome_fits(const struct moving_slot *slot, enum moving_slot_state state,
			 unsigned int place, bool write, enum tdp_outcome outcome)
{
	bool present = state == (place ? AT_SECOND : AT_FIRST);

	if (present && write && slot->read_only)
		return outcome == TDP_ACCESS_MMIO;
	return outcome == (present ? TDP_ACCESS_DONE : TDP_ACCESS_MMIO);
}

int moving_slot_visit(struct player *player, struct moving_slot *slot, unsigned int page,
		      bool write)
{
	struct stamped_record *records =
		slot->records + tdp_vcpu_id(player->vcpu) * stamped_pages(slot->memory);
	uint32_t word = u32_load_acquire(&slot->word);
	unsigned int place = state_of(word) == AT_SECOND;
	enum tdp_outcome outcome;
	tdp_gfn_t gfn;
	int err;

	if (player_chance(player, 8))
		place = !place;
	gfn = tdp_gfn(slot->gfn[place].n + stamped_offset(page));
	err = stamped_visit(player, slot->memory, records, gfn, page, write, &outcome);
	if (err || state_of(word) == CHANGING || word != u32_load_acquire(&slot->word))
		return err;
	if (outcome_fits(slot, state_of(word), place, write, outcome))
		return 0;
	return player_fail(player, "gfn 0x%llx: outcome %d while the slot was in state %d",
			   (unsigned long long)gfn.n, (int)outcome, (int)state_of(word));
}

int moving_slot_delete_and_create(struct player *player, struct moving_slot *slot)
{
	enum moving_slot_state state = state_of(u32_load_relaxed(&slot->word));
	int err;

	enter(slot, CHANGING);
	err = set_slot(slot, slot->gfn[0], 0);
	if (err)
		return player_fail(player, "a slot cannot be deleted: %d", err);
	err = stamped_close(player, slot->memory);
	if (err)
		return err;
	enter(slot, ABSENT);
	player_delay(player, 20);
	enter(slot, CHANGING);
	err = stamped_open(player, slot->memory);
	if (err)
		return err;
	err = set_slot(slot, slot->gfn[state], stamped_frames(slot->memory));
	enter(slot, state);
	return err ? player_fail(player, "a slot cannot be created: %d", err) : 0;
}

int moving_slot_move(struct player *player, struct moving_slot *slot)
{
	enum moving_slot_state state = state_of(u32_load_relaxed(&slot->word));
	int err;

	enter(slot, CHANGING);
	state = state == AT_FIRST ? AT_SECOND : AT_FIRST;
	err = set_slot(slot, slot->gfn[state], stamped_frames(slot->memory));
	enter(slot, state);
	return err ? player_fail(player, "a slot cannot be moved: %d", err) : 0;
}

static int visit_at_random(struct player *player, unsigned int one_write_in)
{
	struct moving_slot *slot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player))
		err = moving_slot_visit(
			player, slot,
			(unsigned int)player_below(player, stamped_pages(slot->memory)),
			player_chance(player, one_write_in));
	return err;
}

int moving_slot_visitor(struct player *player)
{
	return visit_at_random(player, 2);
}

int moving_slot_reader(struct player *player)
{
	return visit_at_random(player, 50);
}

int moving_slot_page_mover(struct player *player)
{
	struct stamped *memory = ((struct moving_slot *)player->arg)->memory;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = stamped_move_page(player, memory,
					(unsigned int)player_below(player, stamped_pages(memory)));
		player_delay(player, 20);
	}
	return err;
}

int moving_slot_region_mover(struct player *player)
{
	struct stamped *memory = ((struct moving_slot *)player->arg)->memory;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = stamped_move_region(
			player, memory, (unsigned int)player_below(player, memory->config.regions));
		if (player_chance(player, 10))
			stamped_invalidate(player, memory);
		player_delay(player, 20);
	}
	return err;
}

/* Ages a page or all of them, or only tests a page. */
static void age_some(struct player *player, const struct stamped *memory)
{
	struct tdp_host *host = memory->stress->host;
	unsigned int page = (unsigned int)player_below(player, stamped_pages(memory));
	uint64_t hva = memory->backing.hva + (stamped_offset(page) << TDP_PAGE_SHIFT);

	if (player_chance(player, 8))
		tdp_host_test_age(host, hva);
	else if (player_chance(player, 4))
		tdp_host_age(host, memory->backing.hva,
			     memory->backing.hva + memory->backing.bytes);
	else
		tdp_host_age(host, hva, hva + 1);
}

int moving_slot_ager(struct player *player)
{
	const struct moving_slot *slot = player->arg;

	while (player_goes_on(player)) {
		age_some(player, slot->memory);
		player_delay(player, 2);
	}
	return 0;
}

int moving_slot_changer(struct player *player)
{
	struct moving_slot *slot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 3))
			err = moving_slot_move(player, slot);
		else
			err = moving_slot_delete_and_create(player, slot);
		player_delay(player, 40);
	}
	return err;
}
