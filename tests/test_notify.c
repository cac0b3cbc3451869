/*
 * Notifiers: the order of the calls, and that subscribing and unsubscribing wait for calls in
 * progress.
 */
#include "host/notify.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "platform/actor.h"
#include "platform/wait.h"
#include "support/hosts.h"

/* A subscriber that records its calls. */
struct listener {
	struct notifier notifier;
	unsigned int begins, ends;
	uint64_t start, end;
	/* Written by the callback, read by other actors: 1 inside begin(). Release, acquire. */
	atomic_u32 inside;
	/* begin() waits while it is 1. Written by the test's actor. */
	atomic_u32 held;
	unsigned int *clock; /* shared by the listeners of one test, one actor */
	unsigned int began_at, ended_at;
};

static void listen_begin(void *context, const struct memory_change *change)
{
	struct listener *listener = context;
	struct waiting waiting = {0};

	listener->begins++;
	listener->start = change->start;
	listener->end = change->end;
	if (listener->clock)
		listener->began_at = ++*listener->clock;
	u32_store_release(&listener->inside, 1);
	while (u32_load_acquire(&listener->held))
		platform_pause(&waiting);
	u32_store_release(&listener->inside, 0);
}

static void listen_end(void *context, const struct memory_change *change)
{
	struct listener *listener = context;

	(void)change;
	listener->ends++;
	if (listener->clock)
		listener->ended_at = ++*listener->clock;
}

static const struct notifier_ops listener_ops = {.begin = listen_begin, .end = listen_end};

static void listener_init(struct listener *listener)
{
	*listener = (struct listener){.notifier.ops = &listener_ops};
	listener->notifier.context = listener;
}

static void every_subscriber_is_told_begin_and_end_with_the_range(void **state)
{
	struct listener listeners[3];
	struct test_host test;

	(void)state;
	host_begin(&test);
	for (int i = 0; i < 3; i++) {
		listener_init(&listeners[i]);
		notifier_subscribe(test.host, &listeners[i].notifier);
	}
	tdp_host_invalidate_begin(test.host, 0x1000, 0x5000);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(listeners[i].begins, 1);
		assert_int_equal(listeners[i].ends, 0);
		assert_int_equal(listeners[i].start, 0x1000);
		assert_int_equal(listeners[i].end, 0x5000);
	}
	tdp_host_invalidate_end(test.host, 0x1000, 0x5000);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(listeners[i].ends, 1);
		notifier_unsubscribe(test.host, &listeners[i].notifier);
	}
	host_end(&test);
}

static void subscribers_are_told_in_the_order_they_came(void **state)
{
	struct listener first, second;
	struct test_host test;
	unsigned int clock = 0;

	(void)state;
	host_begin(&test);
	listener_init(&first);
	listener_init(&second);
	first.clock = second.clock = &clock;
	notifier_subscribe(test.host, &first.notifier);
	notifier_subscribe(test.host, &second.notifier);
	tdp_host_invalidate_begin(test.host, 0, 0x1000);
	tdp_host_invalidate_end(test.host, 0, 0x1000);
	assert_int_equal(first.began_at, 1);
	assert_int_equal(second.began_at, 2);
	assert_int_equal(first.ended_at, 3);
	assert_int_equal(second.ended_at, 4);
	notifier_unsubscribe(test.host, &second.notifier);
	notifier_unsubscribe(test.host, &first.notifier);
	host_end(&test);
}

static void who_has_left_is_told_nothing_more(void **state)
{
	struct listener gone, stays;
	struct test_host test;

	(void)state;
	host_begin(&test);
	listener_init(&gone);
	listener_init(&stays);
	notifier_subscribe(test.host, &gone.notifier);
	notifier_subscribe(test.host, &stays.notifier);
	tdp_host_invalidate_begin(test.host, 0, 0x1000);
	notifier_unsubscribe(test.host, &gone.notifier);
	tdp_host_invalidate_end(test.host, 0, 0x1000);
	assert_int_equal(gone.begins, 1);
	assert_int_equal(gone.ends, 0);
	assert_int_equal(stays.ends, 1);
	notifier_unsubscribe(test.host, &stays.notifier);
	host_end(&test);
}

/* Ageing: which subscribers are called, and the combined answer. */
struct asked {
	struct notifier notifier;
	unsigned int ages, tests;
	bool young;
};

static bool answer_age(void *context, const struct memory_change *change, bool test)
{
	struct asked *asked = context;

	if (!test && change->start == 0x1000 && change->end == 0x3000)
		asked->ages++;
	if (test && change->start == 0x1234)
		asked->tests++;
	return asked->young;
}

static void ageing_asks_everybody_and_testing_the_first_who_says_yes(void **state)
{
	static const struct notifier_ops ops = {.age = answer_age};
	struct asked asked[3] = {{.young = false}, {.young = true}, {.young = false}};
	struct listener deaf; /* answers no question */
	struct test_host test;

	(void)state;
	host_begin(&test);
	assert_false(tdp_host_age(test.host, 0x1000, 0x3000));
	assert_false(tdp_host_test_age(test.host, 0x1234));
	listener_init(&deaf);
	notifier_subscribe(test.host, &deaf.notifier);
	for (int i = 0; i < 3; i++) {
		asked[i].notifier = (struct notifier){.ops = &ops, .context = &asked[i]};
		notifier_subscribe(test.host, &asked[i].notifier);
	}
	assert_true(tdp_host_age(test.host, 0x1000, 0x3000));
	assert_true(tdp_host_test_age(test.host, 0x1234));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(asked[i].ages, 1);
		assert_int_equal(asked[i].tests, i < 2);
	}
	asked[1].young = false;
	assert_false(tdp_host_age(test.host, 0x1000, 0x3000));
	assert_false(tdp_host_test_age(test.host, 0x1234));
	assert_int_equal(asked[2].tests, 1);
	assert_int_equal(deaf.begins, 0);
	for (int i = 0; i < 3; i++)
		notifier_unsubscribe(test.host, &asked[i].notifier);
	notifier_unsubscribe(test.host, &deaf.notifier);
	host_end(&test);
}

static void pairs_nest_and_overlap(void **state)
{
	struct listener listener;
	struct test_host test;

	(void)state;
	host_begin(&test);
	listener_init(&listener);
	notifier_subscribe(test.host, &listener.notifier);
	tdp_host_invalidate_begin(test.host, 0, 0x2000);
	tdp_host_invalidate_begin(test.host, 0x1000, 0x3000);
	tdp_host_invalidate_end(test.host, 0, 0x2000);
	tdp_host_invalidate_begin(test.host, 0x1000, 0x3000);
	assert_int_equal(listener.begins, 3);
	tdp_host_invalidate_end(test.host, 0x1000, 0x3000);
	tdp_host_invalidate_end(test.host, 0x1000, 0x3000);
	assert_int_equal(listener.ends, 3);
	notifier_unsubscribe(test.host, &listener.notifier);
	host_end(&test);
}

/* Two actors and what they share. */
struct meeting {
	struct tdp_host *host;
	struct listener listener;
	/* Steps of the test, stored with release by the actor that took them. */
	atomic_u32 opened, closing, done;
};

static void wait_for(const atomic_u32 *word)
{
	struct waiting waiting = {0};

	while (!u32_load_acquire(word))
		platform_pause(&waiting);
}

static void linger(void)
{
	struct waiting waiting = {0};

	for (int i = 0; i < 200; i++)
		platform_pause(&waiting);
}

static int open_and_close_a_pair(struct actor *actor)
{
	struct meeting *meeting = actor->arg;
	bool early;

	tdp_host_invalidate_begin(meeting->host, 0, 0x1000);
	u32_store_release(&meeting->opened, 1);
	linger();
	early = u32_load_acquire(&meeting->done);
	tdp_host_invalidate_end(meeting->host, 0, 0x1000);
	return early ? -1 : 0;
}

static int subscribe_in_the_middle(struct actor *actor)
{
	struct meeting *meeting = actor->arg;

	wait_for(&meeting->opened);
	notifier_subscribe(meeting->host, &meeting->listener.notifier);
	u32_store_release(&meeting->done, 1);
	return 0;
}

static void who_comes_in_the_middle_of_a_pair_waits_for_its_end(void **state)
{
	struct meeting meeting = {0};
	struct actor actors[] = {
		{.body = open_and_close_a_pair, .arg = &meeting, .cpu = -1},
		{.body = subscribe_in_the_middle, .arg = &meeting, .cpu = -1},
	};
	struct test_host test;

	(void)state;
	host_begin(&test);
	meeting.host = test.host;
	listener_init(&meeting.listener);
	assert_int_equal(actor_run_all(actors, 2), 0);
	assert_int_equal(actors[0].result, 0);
	assert_int_equal(meeting.listener.begins, 0);
	assert_int_equal(meeting.listener.ends, 0);
	notifier_unsubscribe(test.host, &meeting.listener.notifier);
	host_end(&test);
}

static int begin_and_be_held(struct actor *actor)
{
	struct meeting *meeting = actor->arg;

	tdp_host_invalidate_begin(meeting->host, 0, 0x1000);
	tdp_host_invalidate_end(meeting->host, 0, 0x1000);
	return 0;
}

static int leave_meanwhile(struct actor *actor)
{
	struct meeting *meeting = actor->arg;

	wait_for(&meeting->listener.inside);
	u32_store_release(&meeting->closing, 1);
	notifier_unsubscribe(meeting->host, &meeting->listener.notifier);
	return u32_load_acquire(&meeting->listener.inside) ? -1 : 0;
}

static int let_go_late(struct actor *actor)
{
	struct meeting *meeting = actor->arg;

	wait_for(&meeting->closing);
	linger();
	u32_store_release(&meeting->listener.held, 0);
	return 0;
}

static void who_leaves_waits_for_a_callback_that_is_running(void **state)
{
	struct meeting meeting = {0};
	struct actor actors[] = {
		{.body = begin_and_be_held, .arg = &meeting, .cpu = -1},
		{.body = leave_meanwhile, .arg = &meeting, .cpu = -1},
		{.body = let_go_late, .arg = &meeting, .cpu = -1},
	};
	struct test_host test;

	(void)state;
	host_begin(&test);
	meeting.host = test.host;
	listener_init(&meeting.listener);
	u32_init(&meeting.listener.held, 1);
	notifier_subscribe(test.host, &meeting.listener.notifier);
	assert_int_equal(actor_run_all(actors, 3), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(actors[i].result, 0);
	host_end(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_subscriber_is_told_begin_and_end_with_the_range),
		cmocka_unit_test(subscribers_are_told_in_the_order_they_came),
		cmocka_unit_test(who_has_left_is_told_nothing_more),
		cmocka_unit_test(ageing_asks_everybody_and_testing_the_first_who_says_yes),
		cmocka_unit_test(pairs_nest_and_overlap),
		cmocka_unit_test(who_comes_in_the_middle_of_a_pair_waits_for_its_end),
		cmocka_unit_test(who_leaves_waits_for_a_callback_that_is_running),
	};

	return cmocka_run_group_tests_name("host/notify", tests, NULL, NULL);
}
