#include "platform/virtual/schedule.h"

#include <string.h>

#include "platform/check.h"

static _Thread_local struct schedule *used __attribute__((tls_model("initial-exec")));

void schedule_use(struct schedule *schedule)
{
	used = schedule;
}

struct schedule *schedule_used(void)
{
	return used;
}

/* SplitMix64 (Steele and others, OOPSLA 2014). */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

static uint64_t next_random(uint64_t *state)
{
	return mix(*state += 0x9e3779b97f4a7c15);
}

/* Random */

static size_t random_choose(struct schedule *schedule, const size_t *ready, size_t count,
			    size_t acting)
{
	struct schedule_random *random = (struct schedule_random *)schedule;

	if (acting != SCHEDULE_NOBODY && next_random(&random->state) % 64 < random->stay)
		return acting;
	return ready[next_random(&random->state) % count];
}

static bool random_should_yield(struct schedule *schedule)
{
	struct schedule_random *random = (struct schedule_random *)schedule;

	return next_random(&random->state) % 4 == 0;
}

void schedule_random_init(struct schedule_random *random, uint64_t seed)
{
	static const unsigned char stays[] = {0, 32, 56, 62};

	*random = (struct schedule_random){
		.schedule = {.choose = random_choose, .should_yield = random_should_yield},
		.state = mix(seed),
	};
	random->stay = stays[next_random(&random->state) % sizeof(stays)];
}

/* PCT. An actor's priority is above 1 << 32 until it falls, and below that afterwards. */

static uint64_t *priority(struct schedule_pct *pct, size_t actor)
{
	CHECK(actor < pct->room);
	if (!pct->priorities[actor])
		pct->priorities[actor] = mix(pct->seed ^ mix(actor + 1)) | (uint64_t)1 << 63;
	return &pct->priorities[actor];
}

static void fall(struct schedule_pct *pct, size_t actor)
{
	*priority(pct, actor) = pct->fallen--;
}

static bool is_change(const struct schedule_pct *pct, uint64_t step)
{
	for (unsigned int i = 0; i + 1 < pct->depth; i++)
		if (pct->changes[i] == step)
			return true;
	return false;
}

static size_t pct_choose(struct schedule *schedule, const size_t *ready, size_t count,
			 size_t acting)
{
	struct schedule_pct *pct = (struct schedule_pct *)schedule;
	size_t best = ready[0];

	if (acting != SCHEDULE_NOBODY && is_change(pct, schedule->steps))
		fall(pct, acting);
	for (size_t i = 1; i < count; i++)
		if (*priority(pct, ready[i]) > *priority(pct, best))
			best = ready[i];
	return best;
}

static void pct_gave_way(struct schedule *schedule, size_t actor)
{
	fall((struct schedule_pct *)schedule, actor);
}

static bool pct_should_yield(struct schedule *schedule)
{
	const struct schedule_pct *pct = (struct schedule_pct *)schedule;

	return mix(pct->seed ^ mix(schedule->steps)) % 4 == 0;
}

void schedule_pct_init(struct schedule_pct *pct, uint64_t seed, unsigned int depth, uint64_t steps,
		       uint64_t *priorities, size_t room)
{
	uint64_t state = mix(seed);

	CHECK(depth >= 1 && depth <= PCT_DEPTH_MOST && steps);
	*pct = (struct schedule_pct){
		.schedule = {.choose = pct_choose,
			     .gave_way = pct_gave_way,
			     .should_yield = pct_should_yield},
		.seed = next_random(&state),
		.depth = depth,
		.fallen = (uint64_t)1 << 32,
		.priorities = priorities,
		.room = room,
	};
	memset(priorities, 0, room * sizeof(*priorities));
	for (unsigned int i = 0; i + 1 < depth; i++)
		pct->changes[i] = next_random(&state) % steps;
}
