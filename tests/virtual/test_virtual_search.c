/*
 * The search makes all choices there are, and each once: as many runs as closed forms
 * say, and, where it leaves out what changes nothing, the same final states as without.
 *
 * With k actors and p preemptions the steps of a run fall into k + p blocks, because each
 * switch is either a preemption or made where an actor has ended. So the runs are
 * counted by arranging blocks, no two neighbours of one actor, and cutting each
 * actor's steps into its blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#include "platform/atomic.h"
#include "platform/lock.h"
#include "platform/virtual/search.h"

#define ACTORS	 3
#define WORDS	 3
#define OPS_MOST 6
#define STATES	 20000

enum op_kind {
	OP_READ,
	OP_WRITE,
	OP_ADD,
	OP_OWN,	 /* a word that no other actor touches */
	OP_LOCK, /* both: around the rest of the program */
	OP_BULK, /* all words at once */
	OP_KINDS,
};

struct op {
	enum op_kind kind;
	unsigned int word;
};

struct program {
	struct op ops[OPS_MOST];
	unsigned int count;
};

struct line {
	_Alignas(CACHE_LINE) atomic_u64 word;
};

struct stage {
	struct line words[WORDS];
	struct line own[ACTORS];
	_Alignas(CACHE_LINE) struct mutex lock;
	struct program programs[ACTORS];
	uint64_t seen[ACTORS]; /* the result that each computed from its reads */
	size_t actors;
};

static void perform(struct stage *stage, size_t self, const struct op *op)
{
	atomic_u64 *word = &stage->words[op->word].word;
	uint64_t *seen = &stage->seen[self];

	switch (op->kind) {
	case OP_READ:
		*seen = *seen * 31 + u64_load_acquire(word);
		break;
	case OP_WRITE:
		u64_store_release(word, *seen + self + 1);
		break;
	case OP_ADD:
		*seen = *seen * 31 + u64_add_acq_rel(word, self + 1);
		break;
	case OP_OWN:
		u64_store_release(&stage->own[self].word, *seen);
		break;
	case OP_BULK:
		engine_lines(stage->words, sizeof(stage->words), ENGINE_READ);
		for (unsigned int i = 0; i < WORDS; i++)
			*seen = *seen * 31 + atomic_load(&stage->words[i].word.word);
		break;
	default:
		break;
	}
}

static int run_program(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	size_t index = tdp_actor_index(self);
	const struct program *program = &stage->programs[index];
	bool locked = false;

	for (unsigned int i = 0; i < program->count; i++) {
		if (program->ops[i].kind == OP_LOCK && !locked) {
			mutex_lock(&stage->lock);
			locked = true;
		}
		perform(stage, index, &program->ops[i]);
	}
	if (locked)
		mutex_unlock(&stage->lock);
	return 0;
}

static uint64_t run(struct stage *stage, struct schedule *schedule)
{
	struct tdp_actor_config cast[ACTORS];
	uint64_t state = 0;

	memset(cast, 0, sizeof(cast));
	for (size_t i = 0; i < stage->actors; i++)
		cast[i] = (struct tdp_actor_config){.body = run_program, .arg = stage};
	memset(stage->seen, 0, sizeof(stage->seen));
	memset(stage->words, 0, sizeof(stage->words));
	memset(stage->own, 0, sizeof(stage->own));
	mutex_init(&stage->lock);
	schedule->steps = 0;
	schedule->steps_most = 1000;
	schedule_use(schedule);
	assert_int_equal(tdp_run(NULL, cast, stage->actors, NULL), 0);
	schedule_use(NULL);
	for (size_t i = 0; i < ACTORS; i++)
		state = state * 0x9e3779b97f4a7c15 + stage->seen[i];
	for (unsigned int i = 0; i < WORDS; i++)
		state = state * 0x9e3779b97f4a7c15 + atomic_load(&stage->words[i].word.word);
	return state;
}

/* The final states of all runs of a search, each once. */
struct states {
	uint64_t state[STATES];
	size_t count;
	unsigned int runs;
};

static int by_number(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

static void sort_out(struct states *states)
{
	size_t kept = 0;

	qsort(states->state, states->count, sizeof(states->state[0]), by_number);
	for (size_t i = 0; i < states->count; i++)
		if (!kept || states->state[i] != states->state[kept - 1])
			states->state[kept++] = states->state[i];
	states->count = kept;
}

static void search(struct stage *stage, unsigned int preemptions, bool all, struct states *states)
{
	struct schedule_search search;

	states->count = states->runs = 0;
	assert_int_equal(schedule_search_init(&search, preemptions, all), 0);
	do {
		if (states->count == STATES)
			sort_out(states);
		assert_true(states->count < STATES);
		states->state[states->count++] = run(stage, &search.schedule);
		states->runs++;
	} while (schedule_search_next(&search));
	assert_false(search.failed);
	schedule_search_fini(&search);
	sort_out(states);
}

static struct states one, other;

/* Each adds to the one word so many times: with the begin there is a step more. */
static void make_adders(struct stage *stage, size_t actors, unsigned int additions,
			unsigned int own)
{
	memset(stage, 0, sizeof(*stage));
	stage->actors = actors;
	for (size_t i = 0; i < actors; i++) {
		struct program *program = &stage->programs[i];

		for (unsigned int j = 0; j < own; j++)
			program->ops[program->count++] = (struct op){OP_OWN, 0};
		for (unsigned int j = 0; j < additions; j++)
			program->ops[program->count++] = (struct op){OP_ADD, 0};
	}
}

/* s steps each, p preemptions at most. */
static unsigned int runs_of_two(unsigned int s, unsigned int p)
{
	unsigned int cuts = s - 1;

	return 2 + (p >= 1 ? 2 * cuts : 0) + (p >= 2 ? 2 * cuts * cuts : 0);
}

static unsigned int runs_of_three(unsigned int s, unsigned int p)
{
	unsigned int cuts = s - 1;

	return 6 + (p >= 1 ? 18 * cuts : 0) +
	       (p >= 2 ? 6 * (cuts * (cuts - 1) / 2) + 36 * cuts * cuts : 0);
}

static void there_are_as_many_runs_as_arrangements_of_blocks(void **state)
{
	static struct stage stage;

	(void)state;
	for (unsigned int additions = 1; additions <= 5; additions++) {
		for (unsigned int p = 0; p <= 2; p++) {
			make_adders(&stage, 2, additions, 0);
			search(&stage, p, true, &one);
			assert_int_equal(one.runs, runs_of_two(additions + 1, p));
			make_adders(&stage, 3, additions, 0);
			search(&stage, p, true, &one);
			assert_int_equal(one.runs, runs_of_three(additions + 1, p));
		}
	}
	/* Without a bound: all ways to merge three and three steps. */
	make_adders(&stage, 2, 2, 0);
	search(&stage, 100, true, &one);
	assert_int_equal(one.runs, 20);
}

/* Nothing is left out of what meets, everything of what does not. */
static void only_events_that_meet_are_switched_at(void **state)
{
	static struct stage stage;

	(void)state;
	for (unsigned int p = 0; p <= 2; p++) {
		make_adders(&stage, 2, 2, 4);
		search(&stage, p, false, &one);
		assert_int_equal(one.runs, runs_of_two(3, p));
		search(&stage, p, true, &one);
		assert_int_equal(one.runs, runs_of_two(7, p));
		make_adders(&stage, 3, 0, 6);
		search(&stage, p, false, &one);
		assert_int_equal(one.runs, 6);
	}
}

/* A lock's holder may be preempted anywhere, but the others only find the lock held. */
static void what_a_lock_orders_is_not_switched_at(void **state)
{
	static struct stage stage;
	unsigned int runs = 0;

	(void)state;
	for (unsigned int additions = 1; additions < OPS_MOST; additions++) {
		make_adders(&stage, 2, additions, 0);
		for (size_t i = 0; i < 2; i++) {
			struct program *program = &stage.programs[i];

			memmove(&program->ops[1], program->ops, additions * sizeof(struct op));
			program->ops[0] = (struct op){OP_LOCK, 0};
			program->count++;
		}
		search(&stage, 1, false, &one);
		assert_int_equal(one.count, 2);
		if (additions > 1)
			assert_int_equal(one.runs, runs);
		runs = one.runs;
	}
}

/* SplitMix64 */
static unsigned int below(uint64_t *random, unsigned int bound)
{
	uint64_t z = (*random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (unsigned int)((z ^ (z >> 31)) % bound);
}

static void make_at_random(struct stage *stage, size_t actors, unsigned int ops, uint64_t seed)
{
	uint64_t random = seed;

	memset(stage, 0, sizeof(*stage));
	stage->actors = actors;
	for (size_t i = 0; i < actors; i++) {
		struct program *program = &stage->programs[i];

		program->count = ops;
		for (unsigned int j = 0; j < ops; j++)
			program->ops[j] = (struct op){(enum op_kind)below(&random, OP_KINDS),
						      below(&random, WORDS)};
	}
}

static void what_is_left_out_leads_nowhere_else(void **state)
{
	static struct stage stage;
	unsigned int spared = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 150; seed++) {
		unsigned int p = seed % 4;
		size_t actors = p == 3 || seed % 3 ? 2 : 3;

		make_at_random(&stage, actors, actors == 3 ? 3 : OPS_MOST, seed);
		search(&stage, p, true, &one);
		search(&stage, p, false, &other);
		if (one.count != other.count ||
		    memcmp(one.state, other.state, one.count * sizeof(one.state[0])) != 0)
			fail_msg("seed %u: %zu final states, %zu with all switches",
				 (unsigned int)seed, other.count, one.count);
		spared += one.runs - other.runs;
	}
	assert_true(spared > 1000);
}

/* Two steps for an update: what another adds in between is lost. */
static void what_takes_one_preemption_is_found_with_one(void **state)
{
	static struct stage stage;

	(void)state;
	memset(&stage, 0, sizeof(stage));
	stage.actors = 2;
	for (size_t i = 0; i < 2; i++)
		stage.programs[i] = (struct program){{{OP_READ, 0}, {OP_WRITE, 0}}, 2};
	search(&stage, 0, false, &one);
	assert_int_equal(one.count, 2);
	search(&stage, 1, false, &other);
	assert_true(other.count > 2);
}

static int wait_then_add(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	unsigned int rounds = 0;

	if (tdp_actor_index(self) > 0)
		while (!u64_load_acquire(&stage->words[1].word))
			tdp_pause(&rounds);
	else
		u64_store_release(&stage->words[1].word, 1);
	u64_store_release(&stage->words[0].word, u64_load_acquire(&stage->words[0].word) + 1);
	return 0;
}

static void a_loop_that_waits_does_not_make_the_search_endless(void **state)
{
	static struct stage stage;
	struct tdp_actor_config cast[ACTORS];
	struct schedule_search search;
	unsigned int lost = 0, runs = 0;

	(void)state;
	memset(cast, 0, sizeof(cast));
	for (size_t i = 0; i < ACTORS; i++)
		cast[i] = (struct tdp_actor_config){.body = wait_then_add, .arg = &stage};
	assert_int_equal(schedule_search_init(&search, 1, false), 0);
	do {
		memset(&stage, 0, sizeof(stage));
		search.schedule.steps = 0;
		search.schedule.steps_most = 1000;
		schedule_use(&search.schedule);
		assert_int_equal(tdp_run(NULL, cast, ACTORS, NULL), 0);
		schedule_use(NULL);
		lost += atomic_load(&stage.words[0].word.word) < ACTORS;
		runs++;
	} while (schedule_search_next(&search));
	schedule_search_fini(&search);
	assert_true(lost >= 1);
	assert_in_range(runs, 6, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_are_as_many_runs_as_arrangements_of_blocks),
		cmocka_unit_test(only_events_that_meet_are_switched_at),
		cmocka_unit_test(what_a_lock_orders_is_not_switched_at),
		cmocka_unit_test(what_is_left_out_leads_nowhere_else),
		cmocka_unit_test(what_takes_one_preemption_is_found_with_one),
		cmocka_unit_test(a_loop_that_waits_does_not_make_the_search_endless),
	};

	return cmocka_run_group_tests_name("platform/virtual/search", tests, NULL, NULL);
}
