/* The reader-writer lock: exclusion, shared readers, and that no waiter waits for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#include "platform/rwlock.h"
#include "support/deadline.h"

#define ACTORS_MAX 128

enum verdict {
	AS_PROMISED,
	SAW_HALF_A_WRITE,
	CAME_TOO_LATE,
	CAME_TOO_EARLY,
	WRONG_ANSWER,
};

static const enum rwlock_kind every_kind[] = {RWLOCK_EXCLUSIVE, RWLOCK_SHARED, RWLOCK_PERCPU};
static const enum rwlock_kind sharing_kinds[] = {RWLOCK_SHARED, RWLOCK_PERCPU};

#define FOR_EACH(kind, kinds)                                                                      \
	for (const enum rwlock_kind *kind = (kinds);                                               \
	     kind < (kinds) + sizeof(kinds) / sizeof((kinds)[0]); kind++)

/* What the actors of one test share; each test says what its numbers mean. */
struct arena {
	struct rwlock lock;
	unsigned int turns;	     /* of each actor */
	uint64_t first, second;	     /* equal unless a writer is inside; under the lock */
	atomic_u32 inside, finished; /* counted by all */
	atomic_u32 prepared;	     /* readers that have registered, if they do */
	atomic_u32 clock;	     /* hands out places in the order of arrival */
	uint32_t place[4];	     /* by the actor's index; read after the run */
	atomic_u32 stage;
};

static void arena_init(struct arena *arena, enum rwlock_kind kind)
{
	rwlock_init(&arena->lock, kind);
	arena->turns = 0;
	arena->first = arena->second = 0;
	u32_init(&arena->inside, 0);
	u32_init(&arena->finished, 0);
	u32_init(&arena->prepared, 0);
	u32_init(&arena->clock, 0);
	u32_init(&arena->stage, 0);
}

/* Runs bodies[0..count), or `count` times bodies[0] if there is but one. */
static void run_and_expect_promises(struct arena *arena, tdp_actor_body *const *bodies,
				    size_t kinds_of_body, size_t count)
{
	struct tdp_actor_config configs[ACTORS_MAX] = {0};
	size_t i;

	assert_in_range(count, 1, ACTORS_MAX);
	for (i = 0; i < count; i++) {
		configs[i].body = bodies[i < kinds_of_body ? i : kinds_of_body - 1];
		configs[i].arg = arena;
	}
	assert_int_equal(tdp_run(NULL, configs, count, NULL), 0);
}

#define RUN(arena, count, ...)                                                                     \
	do {                                                                                       \
		tdp_actor_body *const bodies[] = {__VA_ARGS__};                                    \
		run_and_expect_promises(arena, bodies, sizeof(bodies) / sizeof(bodies[0]), count); \
	} while (0)

static int verdict(enum verdict verdict)
{
	return -(int)verdict;
}

static bool contended(const struct rwlock *lock)
{
	struct deadline deadline = deadline_begin();

	while (!rwlock_contended(lock))
		if (!deadline_wait(&deadline))
			return false;
	return true;
}

static bool writers_wait(const struct rwlock *lock)
{
	struct deadline deadline = deadline_begin();

	while (!mutex_contended(&lock->writers))
		if (!deadline_wait(&deadline))
			return false;
	return true;
}

static void take_place(struct arena *arena, const struct tdp_actor *self)
{
	arena->place[tdp_actor_index(self)] = u32_add_acq_rel(&arena->clock, 1);
}

/* Every other actor is registered. */
static struct rwlock_reader *reader_of(struct tdp_actor *self, struct arena *arena,
				       struct rwlock_reader *reader)
{
	if (tdp_actor_index(self) % 2)
		reader = NULL;
	if (reader)
		rwlock_register(&arena->lock, reader);
	u32_add_acq_rel(&arena->prepared, 1);
	return reader;
}

static void reader_done(struct arena *arena, struct rwlock_reader *reader)
{
	if (reader)
		rwlock_unregister(&arena->lock, reader);
}

static bool read_once(struct arena *arena, struct rwlock_reader *reader)
{
	bool whole;

	rwlock_read_lock(&arena->lock, reader);
	whole = arena->first == arena->second;
	rwlock_read_unlock(&arena->lock, reader);
	return whole;
}

static void write_once(struct arena *arena)
{
	rwlock_write_lock(&arena->lock);
	arena->first++;
	engine_relax();
	arena->second++;
	rwlock_write_unlock(&arena->lock);
}

static int read_and_write(struct tdp_actor *self, void *arg)
{
	struct rwlock_reader own, *reader = reader_of(self, arg, &own);
	struct arena *arena = arg;
	bool whole = true;
	unsigned int i;

	for (i = 0; i < arena->turns; i++) {
		whole &= read_once(arena, reader);
		if (i % 4 == 0)
			write_once(arena);
	}
	reader_done(arena, reader);
	return verdict(whole ? AS_PROMISED : SAW_HALF_A_WRITE);
}

static void no_reader_sees_half_a_write_and_no_write_is_lost(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, every_kind)
	{
		arena_init(&arena, *kind);
		arena.turns = 4000;
		RUN(&arena, 8, read_and_write);
		assert_int_equal(arena.first, 8 * 1000);
		assert_int_equal(arena.second, 8 * 1000);
		rwlock_fini(&arena.lock);
	}
}

static void a_hundred_and_twenty_eight_actors_get_through(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, every_kind)
	{
		arena_init(&arena, *kind);
		arena.turns = 100;
		RUN(&arena, 128, read_and_write);
		assert_int_equal(arena.first, 128 * 25);
		rwlock_fini(&arena.lock);
	}
}

static int meet_inside(struct tdp_actor *self, void *arg)
{
	struct rwlock_reader own, *reader = reader_of(self, arg, &own);
	struct arena *arena = arg;
	bool met;

	rwlock_read_lock(&arena->lock, reader);
	u32_add_acq_rel(&arena->inside, 1);
	met = reached(&arena->inside, 3);
	rwlock_read_unlock(&arena->lock, reader);
	reader_done(arena, reader);
	return verdict(met ? AS_PROMISED : CAME_TOO_LATE);
}

static void readers_are_inside_together(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, sharing_kinds)
	{
		arena_init(&arena, *kind);
		RUN(&arena, 3, meet_inside);
	}
}

static int expect_to_be_alone(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	bool alone;

	(void)self;
	rwlock_read_lock(&arena->lock, NULL);
	alone = u32_add_acq_rel(&arena->inside, 1) == 0;
	let_a_moment_pass();
	u32_store_release(&arena->inside, 0);
	rwlock_read_unlock(&arena->lock, NULL);
	return verdict(alone ? AS_PROMISED : CAME_TOO_EARLY);
}

static void readers_of_an_exclusive_lock_are_alone(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, RWLOCK_EXCLUSIVE);
	RUN(&arena, 3, expect_to_be_alone);
}

/* Holds the lock as a reader until a writer has waited for a while. */
static int read_until_a_writer_waits(struct tdp_actor *self, void *arg)
{
	struct rwlock_reader own, *reader = reader_of(self, arg, &own);
	struct arena *arena = arg;
	bool quiet, waited;

	reached(&arena->prepared, 3);
	rwlock_read_lock(&arena->lock, reader);
	quiet = !rwlock_contended(&arena->lock);
	u32_store_release(&arena->stage, 1);
	waited = contended(&arena->lock);
	u32_store_release(&arena->stage, 2);
	let_a_moment_pass();
	take_place(arena, self);
	rwlock_read_unlock(&arena->lock, reader);
	reader_done(arena, reader);
	return verdict(quiet && waited ? AS_PROMISED : WRONG_ANSWER);
}

static int write_when_told(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	bool told = reached(&arena->stage, 1);

	rwlock_write_lock(&arena->lock);
	take_place(arena, self);
	rwlock_write_unlock(&arena->lock);
	return verdict(told ? AS_PROMISED : CAME_TOO_LATE);
}

static int read_behind_the_writer(struct tdp_actor *self, void *arg)
{
	struct rwlock_reader own, *reader = reader_of(self, arg, &own);
	struct arena *arena = arg;
	bool told = reached(&arena->stage, 2);

	rwlock_read_lock(&arena->lock, reader);
	take_place(arena, self);
	rwlock_read_unlock(&arena->lock, reader);
	reader_done(arena, reader);
	return verdict(told ? AS_PROMISED : CAME_TOO_LATE);
}

static void a_waiting_writer_stops_new_readers(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, sharing_kinds)
	{
		arena_init(&arena, *kind);
		RUN(&arena, 4, read_until_a_writer_waits, write_when_told, read_behind_the_writer,
		    read_behind_the_writer);
		assert_int_equal(arena.place[0], 0);
		assert_int_equal(arena.place[1], 1);
		assert_in_range(arena.place[2], 2, 3);
		assert_in_range(arena.place[3], 2, 3);
	}
}

/* Holds the lock as a writer until a reader and a second writer have waited for a while. */
static int write_until_both_wait(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	bool quiet, waited;

	reached(&arena->prepared, 1);
	rwlock_write_lock(&arena->lock);
	quiet = !rwlock_contended(&arena->lock);
	u32_store_release(&arena->stage, 2);
	waited = contended(&arena->lock);
	u32_store_release(&arena->stage, 3);
	waited &= writers_wait(&arena->lock);
	take_place(arena, self);
	rwlock_write_unlock(&arena->lock);
	return verdict(quiet && waited ? AS_PROMISED : WRONG_ANSWER);
}

static int write_last(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	bool told = reached(&arena->stage, 3);

	rwlock_write_lock(&arena->lock);
	take_place(arena, self);
	rwlock_write_unlock(&arena->lock);
	return verdict(told ? AS_PROMISED : CAME_TOO_LATE);
}

static void waiting_readers_enter_before_the_next_writer(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, sharing_kinds)
	{
		arena_init(&arena, *kind);
		RUN(&arena, 3, write_until_both_wait, read_behind_the_writer, write_last);
		assert_int_equal(arena.place[0], 0);
		assert_int_equal(arena.place[1], 1);
		assert_int_equal(arena.place[2], 2);
	}
}

static int write_until_a_writer_waits(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	bool quiet, waited;

	(void)self;
	rwlock_write_lock(&arena->lock);
	quiet = !rwlock_contended(&arena->lock);
	u32_store_release(&arena->stage, 3);
	waited = contended(&arena->lock);
	rwlock_write_unlock(&arena->lock);
	return verdict(quiet && waited ? AS_PROMISED : WRONG_ANSWER);
}

static void a_writer_is_told_that_another_waits(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, every_kind)
	{
		arena_init(&arena, *kind);
		RUN(&arena, 2, write_until_a_writer_waits, write_last);
	}
}

/* Comes and goes as a reader until actor 0 has had its turns. */
static int keep_reading(struct tdp_actor *self, void *arg)
{
	struct rwlock_reader own, *reader = reader_of(self, arg, &own);
	uint64_t end = tdp_clock_now() + DEADLINE_NS;
	struct arena *arena = arg;
	unsigned int rounds = 0;

	while (!u32_load_relaxed(&arena->finished) && tdp_clock_now() < end) {
		read_once(arena, reader);
		if (++rounds % 1024 == 0)
			u32_store_release(&arena->stage, 1);
	}
	reader_done(arena, reader);
	return verdict(u32_load_relaxed(&arena->finished) ? AS_PROMISED : CAME_TOO_LATE);
}

static int write_among_readers(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	unsigned int i;

	(void)self;
	reached(&arena->stage, 1);
	for (i = 0; i < arena->turns; i++)
		write_once(arena);
	u32_store_release(&arena->finished, 1);
	return verdict(AS_PROMISED);
}

static void a_writer_gets_in_while_readers_keep_coming(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, every_kind)
	{
		arena_init(&arena, *kind);
		arena.turns = 50;
		RUN(&arena, 7, write_among_readers, keep_reading);
	}
}

static int keep_writing(struct tdp_actor *self, void *arg)
{
	uint64_t end = tdp_clock_now() + DEADLINE_NS;
	struct arena *arena = arg;

	(void)self;
	while (!u32_load_relaxed(&arena->finished) && tdp_clock_now() < end)
		write_once(arena);
	return verdict(u32_load_relaxed(&arena->finished) ? AS_PROMISED : CAME_TOO_LATE);
}

static int read_among_writers(struct tdp_actor *self, void *arg)
{
	struct rwlock_reader own, *reader = reader_of(self, arg, &own);
	struct arena *arena = arg;
	bool whole = true;
	unsigned int i;

	for (i = 0; i < arena->turns; i++)
		whole &= read_once(arena, reader);
	u32_store_release(&arena->finished, 1);
	reader_done(arena, reader);
	return verdict(whole ? AS_PROMISED : SAW_HALF_A_WRITE);
}

static void a_reader_gets_in_while_writers_keep_coming(void **state)
{
	struct arena arena;

	(void)state;
	FOR_EACH(kind, every_kind)
	{
		arena_init(&arena, *kind);
		arena.turns = 50;
		RUN(&arena, 4, read_among_writers, keep_writing);
	}
}

/* Stays inside until the newcomer had ample time to register. */
static int write_while_one_registers(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;

	rwlock_write_lock(&arena->lock);
	u32_store_release(&arena->stage, 1);
	let_a_moment_pass();
	take_place(arena, self);
	rwlock_write_unlock(&arena->lock);
	return verdict(AS_PROMISED);
}

static int register_when_told(struct tdp_actor *self, void *arg)
{
	struct arena *arena = arg;
	struct rwlock_reader reader;
	bool told = reached(&arena->stage, 1);

	rwlock_register(&arena->lock, &reader);
	take_place(arena, self);
	rwlock_unregister(&arena->lock, &reader);
	return verdict(told ? AS_PROMISED : CAME_TOO_LATE);
}

static void registering_excludes_writers(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, RWLOCK_PERCPU);
	RUN(&arena, 2, write_while_one_registers, register_when_told);
	assert_int_equal(arena.place[0], 0);
	assert_int_equal(arena.place[1], 1);
	rwlock_fini(&arena.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_reader_sees_half_a_write_and_no_write_is_lost),
		cmocka_unit_test(a_hundred_and_twenty_eight_actors_get_through),
		cmocka_unit_test(readers_are_inside_together),
		cmocka_unit_test(readers_of_an_exclusive_lock_are_alone),
		cmocka_unit_test(a_waiting_writer_stops_new_readers),
		cmocka_unit_test(waiting_readers_enter_before_the_next_writer),
		cmocka_unit_test(a_writer_is_told_that_another_waits),
		cmocka_unit_test(a_writer_gets_in_while_readers_keep_coming),
		cmocka_unit_test(a_reader_gets_in_while_writers_keep_coming),
		cmocka_unit_test(registering_excludes_writers),
	};

	return cmocka_run_group_tests_name("platform/lock", tests, NULL, NULL);
}
