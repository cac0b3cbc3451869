/*
 * Reports a run that cannot continue: each actor, since when it waits, and the functions on
 * its stack, which show what it waits for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/virtual/scheduler.h"
#include "platform/virtual/symbol.h"

#define NAMES_SHOWN 8

/* The functions of the engine and of the unwinder, which are on top of every waiting stack. */
static bool is_engine(const char *name)
{
	static const char *const names[] = {
		"give_stack",	     "stop",	       "take_turns", "engine_turn",
		"scheduler_park",    "scheduler_pass", "note_round", "engine_spend",
		"scheduler_give_up", "platform_pause", "wait_while", "wait_while_briefly",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return strstr(name, "backtrace") != NULL;
}

static bool is_bottom(const char *name)
{
	return strcmp(name, "task_main") == 0 || strcmp(name, "actor_body") == 0 ||
	       strcmp(name, "begin") == 0;
}

static void print_names(const struct task *task)
{
	const char *separator = " in ";
	int shown = 0;

	for (int i = 0; i < task->frame_count && shown < NAMES_SHOWN; i++) {
		char name[80];

		/* Look one byte back: a return address may lie past the function's end. */
		symbol_name((const char *)task->frames[i] - 1, name, sizeof(name));
		if (!shown && is_engine(name))
			continue;
		if (is_bottom(name))
			break;
		fprintf(stderr, "%s%s", separator, name);
		separator = " < ";
		shown++;
	}
	fputc('\n', stderr);
}

static void print_task(const struct scheduler *scheduler, const struct task *task)
{
	bool pauses = task->state == TASK_READY && task->rounds;

	fprintf(stderr, "  actor %zu", task->index);
	if (task->actor->name)
		fprintf(stderr, " (%s)", task->actor->name);
	if (!task->began)
		fprintf(stderr, " has not begun");
	else if (task->state == TASK_PARKED)
		fprintf(stderr, " waits since %" PRIu64 " ns", task->since);
	else if (pauses)
		fprintf(stderr, " retries since %" PRIu64 " ns, %u times", task->since,
			task->rounds);
	else
		fprintf(stderr, " is at %" PRIu64 " ns",
			task->index == scheduler->running ? engine_now.clock : task->seat->clock);
	print_names(task);
}

void report_stuck(const struct scheduler *scheduler)
{
	fprintf(stderr, "libtdpsim: %s at %" PRIu64 " ns: of %zu actors, %zu have not ended\n",
		scheduler->stuck == STUCK_DEADLOCK ? "deadlock" : "livelock", scheduler->end,
		scheduler->count, scheduler->live);
	for (size_t i = 0; i < scheduler->count; i++)
		if (scheduler->tasks[i].state != TASK_ENDED)
			print_task(scheduler, &scheduler->tasks[i]);
}

void report_alone(const char *what)
{
	fprintf(stderr, "libtdpsim: deadlock: a caller that is no actor %s\n", what);
	abort();
}
