/* Slots that change under their users. See plot.h. */
#include "support/plot.h"

enum plot_state {
	PLOT_FIRST,
	PLOT_SECOND,
	PLOT_ABSENT,
	PLOT_CHANGING,
};

static enum plot_state state_of(uint32_t word)
{
	return (enum plot_state)(word & 3);
}

static void enter(struct plot *plot, enum plot_state state)
{
	uint32_t count = (u32_load_relaxed(&plot->word) >> 2) + 1;

	u32_store_release(&plot->word, count << 2 | state);
}

static int set_slot(struct plot *plot, tdp_gfn_t gfn, uint64_t pages)
{
	return tdp_vm_set_memslot(plot->terrain->stress->vm,
				  &(struct tdp_memslot){
					  .address_space = plot->address_space,
					  .id = plot->id,
					  .gfn = gfn,
					  .pages = pages,
					  .backing = &plot->terrain->backing,
					  .read_only = plot->read_only,
				  });
}

struct plot *plot_create(struct stress *stress, const struct terrain_config *config,
			 unsigned int address_space, unsigned int id, tdp_gfn_t first,
			 tdp_gfn_t second, bool read_only)
{
	struct plot *plot = stress_allocate(stress, sizeof(*plot));
	struct terrain *terrain = terrain_create(stress, config);

	if (!plot || !terrain)
		return NULL;
	*plot = (struct plot){
		.terrain = terrain,
		.memories = terrain_memories(stress, terrain),
		.address_space = address_space,
		.id = id,
		.gfn = {first, second},
		.read_only = read_only,
	};
	for (unsigned int i = 0; i < 2; i++)
		terrain->places[i] = (struct terrain_place){address_space, plot->gfn[i]};
	u32_init(&plot->word, PLOT_FIRST);
	if (!plot->memories || set_slot(plot, first, terrain_frames(terrain)))
		return NULL;
	return plot;
}

/* May the outcome be, if the plot was in `state` all the while? */
static bool outcome_fits(const struct plot *plot, enum plot_state state, unsigned int place,
			 bool write, enum tdp_outcome outcome)
{
	bool present = state == (place ? PLOT_SECOND : PLOT_FIRST);

	if (present && write && plot->read_only)
		return outcome == TDP_ACCESS_MMIO;
	return outcome == (present ? TDP_ACCESS_DONE : TDP_ACCESS_MMIO);
}

int plot_visit(struct player *player, struct plot *plot, unsigned int page, bool write)
{
	struct terrain_memory *memories =
		plot->memories + tdp_vcpu_id(player->vcpu) * terrain_pages(plot->terrain);
	uint32_t word = u32_load_acquire(&plot->word);
	unsigned int place = state_of(word) == PLOT_SECOND;
	enum tdp_outcome outcome;
	tdp_gfn_t gfn;
	int err;

	if (player_chance(player, 8))
		place = !place;
	gfn = tdp_gfn(plot->gfn[place].n + terrain_offset(page));
	err = terrain_visit(player, plot->terrain, memories, gfn, page, write, &outcome);
	if (err || state_of(word) == PLOT_CHANGING || word != u32_load_acquire(&plot->word))
		return err;
	if (outcome_fits(plot, state_of(word), place, write, outcome))
		return 0;
	return player_fail(player, "gfn 0x%llx: outcome %d while the slot was in state %d",
			   (unsigned long long)gfn.n, (int)outcome, (int)state_of(word));
}

int plot_delete_and_create(struct player *player, struct plot *plot)
{
	enum plot_state state = state_of(u32_load_relaxed(&plot->word));
	int err;

	enter(plot, PLOT_CHANGING);
	err = set_slot(plot, plot->gfn[0], 0);
	if (err)
		return player_fail(player, "a slot cannot be deleted: %d", err);
	err = terrain_close(player, plot->terrain);
	if (err)
		return err;
	enter(plot, PLOT_ABSENT);
	player_dawdle(player, 20);
	enter(plot, PLOT_CHANGING);
	err = terrain_open(player, plot->terrain);
	if (err)
		return err;
	err = set_slot(plot, plot->gfn[state], terrain_frames(plot->terrain));
	enter(plot, state);
	return err ? player_fail(player, "a slot cannot be created: %d", err) : 0;
}

int plot_move(struct player *player, struct plot *plot)
{
	enum plot_state state = state_of(u32_load_relaxed(&plot->word));
	int err;

	enter(plot, PLOT_CHANGING);
	state = state == PLOT_FIRST ? PLOT_SECOND : PLOT_FIRST;
	err = set_slot(plot, plot->gfn[state], terrain_frames(plot->terrain));
	enter(plot, state);
	return err ? player_fail(player, "a slot cannot be moved: %d", err) : 0;
}

static int visit_at_random(struct player *player, unsigned int one_write_in)
{
	struct plot *plot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player))
		err = plot_visit(player, plot,
				 (unsigned int)player_below(player, terrain_pages(plot->terrain)),
				 player_chance(player, one_write_in));
	return err;
}

int plot_visitor(struct player *player)
{
	return visit_at_random(player, 2);
}

int plot_reader(struct player *player)
{
	return visit_at_random(player, 50);
}

int plot_page_mover(struct player *player)
{
	struct terrain *terrain = ((struct plot *)player->arg)->terrain;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = terrain_move_page(player, terrain,
					(unsigned int)player_below(player, terrain_pages(terrain)));
		player_dawdle(player, 20);
	}
	return err;
}

int plot_region_mover(struct player *player)
{
	struct terrain *terrain = ((struct plot *)player->arg)->terrain;
	int err = 0;

	while (!err && player_goes_on(player)) {
		err = terrain_move_region(
			player, terrain,
			(unsigned int)player_below(player, terrain->config.regions));
		if (player_chance(player, 10))
			terrain_bother(player, terrain);
		player_dawdle(player, 20);
	}
	return err;
}

/* A page, or all of them; or only a look. */
static void age_some(struct player *player, const struct terrain *terrain)
{
	struct tdp_host *host = terrain->stress->host;
	unsigned int page = (unsigned int)player_below(player, terrain_pages(terrain));
	uint64_t hva = terrain->backing.hva + (terrain_offset(page) << TDP_PAGE_SHIFT);

	if (player_chance(player, 8))
		tdp_host_test_age(host, hva);
	else if (player_chance(player, 4))
		tdp_host_age(host, terrain->backing.hva,
			     terrain->backing.hva + terrain->backing.bytes);
	else
		tdp_host_age(host, hva, hva + 1);
}

int plot_ager(struct player *player)
{
	const struct plot *plot = player->arg;

	while (player_goes_on(player)) {
		age_some(player, plot->terrain);
		player_dawdle(player, 2);
	}
	return 0;
}

int plot_landlord(struct player *player)
{
	struct plot *plot = player->arg;
	int err = 0;

	while (!err && player_goes_on(player)) {
		if (player_chance(player, 3))
			err = plot_move(player, plot);
		else
			err = plot_delete_and_create(player, plot);
		player_dawdle(player, 40);
	}
	return err;
}
