/*
 * Actors: that all run, their results, how they meet, and that a run that is not possible is
 * refused before any actor has begun.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <tdpsim/run.h>

#define ACTORS 16
#define ROUNDS 100

struct stage {
	struct tdp_barrier *barrier;
	struct tdp_flag *flag, *answer;
	unsigned int slot[ACTORS]; /* written by the actor with that index */
	uint64_t began[ACTORS], ended[ACTORS];
	const char *name[ACTORS];
	unsigned int parties;
};

static void cast(struct tdp_actor_config *actors, size_t count, tdp_actor_body *body, void *arg)
{
	size_t i;

	for (i = 0; i < count; i++)
		actors[i] = (struct tdp_actor_config){
			.size = sizeof(actors[i]), .body = body, .arg = arg};
}

static int introduce_itself(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	size_t index = tdp_actor_index(self);

	stage->slot[index]++;
	stage->name[index] = tdp_actor_name(self);
	return 0;
}

static void every_actor_runs_once_and_knows_who_it_is(void **state)
{
	struct tdp_actor_config actors[ACTORS];
	struct stage stage = {.parties = 0};
	unsigned int i;

	(void)state;
	cast(actors, ACTORS, introduce_itself, &stage);
	actors[3].name = "logger";
	assert_int_equal(tdp_run(NULL, actors, ACTORS, NULL), 0);
	for (i = 0; i < ACTORS; i++)
		assert_int_equal(stage.slot[i], 1);
	assert_string_equal(stage.name[3], "logger");
	assert_null(stage.name[4]);
}

static int return_its_argument(struct tdp_actor *self, void *arg)
{
	(void)self;
	return *(const int *)arg;
}

static void each_result_comes_back_in_its_place_and_the_first_failure_is_returned(void **state)
{
	int answers[] = {0, 7, -ENOENT, 0, -EIO};
	struct tdp_actor_config actors[5];
	int results[5];
	unsigned int i;

	(void)state;
	for (i = 0; i < 5; i++)
		cast(&actors[i], 1, return_its_argument, &answers[i]);
	assert_int_equal(tdp_run(NULL, actors, 5, results), -ENOENT);
	assert_memory_equal(results, answers, sizeof(answers));
}

static void a_positive_result_is_no_failure(void **state)
{
	struct tdp_actor_config actor;
	int answer = INT_MAX, result = 0;

	(void)state;
	cast(&actor, 1, return_its_argument, &answer);
	assert_int_equal(tdp_run(NULL, &actor, 1, &result), 0);
	assert_int_equal(result, INT_MAX);
}

static void nobody_to_run_is_nothing_to_do(void **state)
{
	(void)state;
	assert_int_equal(tdp_run(NULL, NULL, 0, NULL), 0);
}

/* Runs the list and expects a refusal, and that no actor ran. */
static void assert_refused(const struct tdp_actor_config *actors, const struct stage *stage)
{
	int results[2] = {INT_MIN, INT_MIN};

	assert_int_equal(tdp_run(NULL, actors, 2, results), -EINVAL);
	assert_int_equal(results[0], INT_MIN);
	assert_int_equal(results[1], INT_MIN);
	assert_int_equal(stage->slot[0], 0);
	assert_int_equal(stage->slot[1], 0);
}

static void an_invalid_actor_is_refused_before_any_begins(void **state)
{
	struct tdp_actor_config actors[2];
	struct stage stage = {.parties = 0};

	(void)state;
	cast(actors, 2, introduce_itself, &stage);
	actors[1].body = NULL;
	assert_refused(actors, &stage);
	cast(actors, 2, introduce_itself, &stage);
	actors[1].size--;
	assert_refused(actors, &stage);
}

static void a_cpu_that_does_not_exist_is_refused_before_any_begins(void **state)
{
	static const unsigned int cpus[] = {1u << 20, INT_MAX, (unsigned int)INT_MAX + 1, UINT_MAX};
	struct tdp_actor_config actors[2];
	struct stage stage = {.parties = 0};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		cast(actors, 2, introduce_itself, &stage);
		actors[1].pinned = true;
		actors[1].cpu = cpus[i];
		assert_refused(actors, &stage);
		actors[1].pinned = false;
		assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
		memset(stage.slot, 0, sizeof(stage.slot));
	}
}

/* Between two waits each writes its own slot; between the next two all are read. */
static int keep_step(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	unsigned int round, i;
	int behind = 0;

	for (round = 1; round <= ROUNDS; round++) {
		stage->slot[tdp_actor_index(self)] = round;
		tdp_barrier_wait(stage->barrier);
		for (i = 0; i < stage->parties; i++)
			behind -= stage->slot[i] != round;
		tdp_barrier_wait(stage->barrier);
	}
	return behind;
}

static void a_barrier_keeps_phases_apart(void **state)
{
	struct tdp_actor_config actors[ACTORS];
	struct stage stage = {.parties = ACTORS};

	(void)state;
	assert_int_equal(tdp_barrier_create(ACTORS, &stage.barrier), 0);
	cast(actors, ACTORS, keep_step, &stage);
	assert_int_equal(tdp_run(NULL, actors, ACTORS, NULL), 0);
	tdp_barrier_destroy(stage.barrier);
}

/* Actor i takes part in i rounds, then leaves. */
static int leave_early(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	size_t rounds = tdp_actor_index(self);

	while (rounds--)
		tdp_barrier_wait(stage->barrier);
	tdp_barrier_leave(stage->barrier);
	return 0;
}

static void a_barrier_does_not_wait_for_who_has_left(void **state)
{
	struct tdp_actor_config actors[ACTORS];
	struct stage stage = {.parties = ACTORS};

	(void)state;
	assert_int_equal(tdp_barrier_create(ACTORS, &stage.barrier), 0);
	cast(actors, ACTORS, leave_early, &stage);
	assert_int_equal(tdp_run(NULL, actors, ACTORS, NULL), 0);
	tdp_barrier_destroy(stage.barrier);
}

static void a_barrier_for_one_holds_nobody_up(void **state)
{
	struct tdp_barrier *barrier;

	(void)state;
	assert_int_equal(tdp_barrier_create(1, &barrier), 0);
	tdp_barrier_wait(barrier);
	tdp_barrier_wait(barrier);
	tdp_barrier_destroy(barrier);
}

static void a_barrier_for_nobody_is_refused(void **state)
{
	struct tdp_barrier *barrier = NULL;

	(void)state;
	assert_int_equal(tdp_barrier_create(0, &barrier), -EINVAL);
	assert_null(barrier);
	tdp_barrier_destroy(NULL);
}

static int raise_and_await_answer(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	unsigned int rounds = 0;

	(void)self;
	stage->slot[0] = 41;
	tdp_flag_raise(stage->flag);
	while (!tdp_flag_raised(stage->answer))
		tdp_pause(&rounds);
	return stage->slot[0] == 42 ? 0 : -EIO;
}

static int await_and_answer(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	unsigned int rounds = 0;

	(void)self;
	while (!tdp_flag_raised(stage->flag))
		tdp_pause(&rounds);
	stage->slot[0]++;
	tdp_flag_raise(stage->answer);
	return 0;
}

static void a_flag_hands_over_what_was_written_before_it_was_raised(void **state)
{
	struct tdp_actor_config actors[2];
	struct stage stage = {.parties = 2};

	(void)state;
	assert_int_equal(tdp_flag_create(&stage.flag), 0);
	assert_int_equal(tdp_flag_create(&stage.answer), 0);
	cast(&actors[0], 1, raise_and_await_answer, &stage);
	cast(&actors[1], 1, await_and_answer, &stage);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	tdp_flag_destroy(stage.flag);
	tdp_flag_destroy(stage.answer);
	tdp_flag_destroy(NULL);
}

/* A handler has no argument of its own. */
static struct tdp_flag *interrupted;

static void interrupt(int signal_number)
{
	(void)signal_number;
	tdp_flag_raise_from_signal(interrupted);
}

static int work_until_interrupted(struct tdp_actor *self, void *arg)
{
	unsigned int rounds = 0;

	(void)arg;
	if (tdp_actor_index(self) == 0)
		raise(SIGUSR1);
	while (!tdp_flag_raised(interrupted))
		tdp_pause(&rounds);
	return 0;
}

static void a_signal_handler_can_stop_all_actors(void **state)
{
	struct sigaction action = {.sa_handler = interrupt}, before;
	struct tdp_actor_config actors[ACTORS];

	(void)state;
	assert_int_equal(tdp_flag_create(&interrupted), 0);
	assert_false(tdp_flag_raised(interrupted));
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	cast(actors, ACTORS, work_until_interrupted, NULL);
	assert_int_equal(tdp_run(NULL, actors, ACTORS, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	assert_true(tdp_flag_raised(interrupted));
	tdp_flag_destroy(interrupted);
}

#define LONG_NS	 20000000000ull /* only a broken library waits so long */
#define SHORT_NS 3000000ull

static int wait_or_raise(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	size_t index = tdp_actor_index(self);

	stage->began[index] = tdp_clock_now();
	if (index == 0) {
		tdp_flag_wait(stage->answer, SHORT_NS); /* nobody raises it */
		tdp_flag_raise(stage->flag);
	} else if (!tdp_flag_wait(stage->flag, LONG_NS)) {
		return -ETIMEDOUT;
	}
	stage->ended[index] = tdp_clock_now();
	return 0;
}

static void waiting_for_a_flag_ends_when_it_is_raised(void **state)
{
	struct tdp_actor_config actors[ACTORS];
	struct stage stage = {0};

	(void)state;
	assert_int_equal(tdp_flag_create(&stage.flag), 0);
	assert_int_equal(tdp_flag_create(&stage.answer), 0);
	cast(actors, ACTORS, wait_or_raise, &stage);
	assert_int_equal(tdp_run(NULL, actors, ACTORS, NULL), 0);
	for (size_t i = 0; i < ACTORS; i++)
		assert_true(stage.ended[i] - stage.began[0] >= SHORT_NS &&
			    stage.ended[i] - stage.began[i] < LONG_NS);
	/* The flag is up: no actor waits any more. */
	assert_true(tdp_flag_wait(stage.flag, LONG_NS));
	tdp_flag_destroy(stage.flag);
	tdp_flag_destroy(stage.answer);
}

static void waiting_for_a_flag_ends_when_the_time_has_passed(void **state)
{
	uint64_t began = tdp_clock_now();
	struct tdp_flag *flag;

	(void)state;
	assert_int_equal(tdp_flag_create(&flag), 0);
	assert_false(tdp_flag_wait(flag, SHORT_NS));
	assert_true(tdp_clock_now() - began >= SHORT_NS);
	assert_false(tdp_flag_wait(flag, 0));
	tdp_flag_destroy(flag);
}

static int wait_for_the_handler(struct tdp_actor *self, void *arg)
{
	(void)arg;
	if (tdp_actor_index(self) == 0)
		return tdp_flag_wait(interrupted, LONG_NS) ? 0 : -ETIMEDOUT;
	raise(SIGUSR1);
	return 0;
}

static void a_signal_handler_ends_a_wait(void **state)
{
	struct sigaction action = {.sa_handler = interrupt}, before;
	struct tdp_actor_config actors[2];
	uint64_t began = tdp_clock_now();

	(void)state;
	assert_int_equal(tdp_flag_create(&interrupted), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	cast(actors, 2, wait_for_the_handler, NULL);
	assert_int_equal(tdp_run(NULL, actors, 2, NULL), 0);
	/* In simulated time, where waiting costs nothing, when the wait is over anyway. */
	assert_true(tdp_clock_now() - began <= LONG_NS + SHORT_NS);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	tdp_flag_destroy(interrupted);
}

static int take_the_time(struct tdp_actor *self, void *arg)
{
	struct stage *stage = arg;
	size_t index = tdp_actor_index(self);
	uint64_t cpu = tdp_clock_cpu_now();
	unsigned int rounds = 0;

	stage->began[index] = tdp_clock_now();
	tdp_barrier_wait(stage->barrier);
	while (tdp_clock_now() - stage->began[index] < 2000000)
		tdp_pause(&rounds);
	stage->ended[index] = tdp_clock_now();
	cpu = tdp_clock_cpu_now() - cpu;
	return cpu > 0 && cpu <= stage->ended[index] - stage->began[index] + 1000000 ? 0 : -EIO;
}

static void the_clock_is_one_for_all_and_a_cpu_clock_for_each(void **state)
{
	struct tdp_actor_config actors[ACTORS];
	struct stage stage = {.parties = ACTORS};
	uint64_t before = tdp_clock_now(), after;
	unsigned int i;

	(void)state;
	assert_int_equal(tdp_barrier_create(ACTORS, &stage.barrier), 0);
	cast(actors, ACTORS, take_the_time, &stage);
	assert_int_equal(tdp_run(NULL, actors, ACTORS, NULL), 0);
	after = tdp_clock_now();
	for (i = 0; i < ACTORS; i++) {
		assert_true(before <= stage.began[i]);
		assert_true(stage.began[i] + 2000000 <= stage.ended[i]);
		assert_true(stage.ended[i] <= after);
	}
	tdp_barrier_destroy(stage.barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_actor_runs_once_and_knows_who_it_is),
		cmocka_unit_test(
			each_result_comes_back_in_its_place_and_the_first_failure_is_returned),
		cmocka_unit_test(a_positive_result_is_no_failure),
		cmocka_unit_test(nobody_to_run_is_nothing_to_do),
		cmocka_unit_test(an_invalid_actor_is_refused_before_any_begins),
		cmocka_unit_test(a_cpu_that_does_not_exist_is_refused_before_any_begins),
		cmocka_unit_test(a_barrier_keeps_phases_apart),
		cmocka_unit_test(a_barrier_does_not_wait_for_who_has_left),
		cmocka_unit_test(a_barrier_for_one_holds_nobody_up),
		cmocka_unit_test(a_barrier_for_nobody_is_refused),
		cmocka_unit_test(a_flag_hands_over_what_was_written_before_it_was_raised),
		cmocka_unit_test(waiting_for_a_flag_ends_when_it_is_raised),
		cmocka_unit_test(waiting_for_a_flag_ends_when_the_time_has_passed),
		cmocka_unit_test(a_signal_handler_ends_a_wait),
		cmocka_unit_test(a_signal_handler_can_stop_all_actors),
		cmocka_unit_test(the_clock_is_one_for_all_and_a_cpu_clock_for_each),
	};

	return cmocka_run_group_tests_name("vm/run", tests, NULL, NULL);
}
