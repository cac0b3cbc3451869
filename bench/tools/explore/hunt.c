#include "tools/explore/hunt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_DEFAULT 3000
#define STEPS_FACTOR  2000 /* a run that exceeds its steps by this factor never ends */
#define SECONDS_LIMIT 60   /* for one run, on however busy a host */

uint64_t hunt_steps(const struct hunt_options *options, const struct scenario *scenario)
{
	if (options->steps)
		return options->steps;
	return scenario->steps ? scenario->steps : STEPS_DEFAULT;
}

static void prepare(struct hunt *hunt, const struct hunt_options *options, uint64_t steps)
{
	switch (options->kind) {
	case HUNT_RANDOM:
		schedule_random_init(&hunt->now.random, hunt->seed);
		break;
	case HUNT_PCT:
		schedule_pct_init(&hunt->now.pct, hunt->seed, options->depth, steps,
				  hunt->priorities, STRESS_PLAYERS_MAX);
		break;
	case HUNT_EXHAUSTIVE:
		break;
	}
	hunt->now.schedule.steps = 0;
	hunt->now.schedule.steps_most = steps * STEPS_FACTOR;
	hunt->now.schedule.switches = hunt->switches;
	hunt->now.schedule.switches_room = HUNT_SWITCHES;
	hunt->now.schedule.switches_made = 0;
}

static int run_one(struct hunt *hunt, const struct scenario *scenario,
		   const struct hunt_options *options)
{
	struct stress_options stress = options->stress;
	uint64_t steps = hunt_steps(options, scenario);
	int verdict;

	stress.seed = hunt->seed;
	prepare(hunt, options, steps);
	schedule_use(&hunt->now.schedule);
	alarm(SECONDS_LIMIT);
	verdict = stress_run_once(scenario, &stress, steps);
	alarm(0);
	schedule_use(NULL);
	if (!verdict) {
		hunt->made++;
		hunt->steps += hunt->now.schedule.steps;
	}
	return verdict;
}

static int run_all(struct hunt *hunt, const struct scenario *scenario,
		   const struct hunt_options *options)
{
	bool search = options->kind == HUNT_EXHAUSTIVE;
	int verdict = 0;

	if (search && schedule_search_init(&hunt->now.search, options->preemptions, false))
		return 1;
	for (uint64_t i = 0; i < options->schedules && !verdict; i++) {
		hunt->seed = search ? options->seed : options->seed + i;
		verdict = run_one(hunt, scenario, options);
		if (!verdict && search && !schedule_search_next(&hunt->now.search)) {
			hunt->complete = true;
			break;
		}
	}
	if (search)
		schedule_search_fini(&hunt->now.search);
	return verdict;
}

/*
 * The kernel kills the child when explore ends, however explore ends: nobody else would
 * stop the runs. If explore ended before prctl(), no signal comes and the parent differs.
 */
static void die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(EXIT_FAILURE);
}

_Noreturn static void child(struct hunt *hunt, const struct scenario *scenario,
			    const struct hunt_options *options, FILE *output)
{
	const struct rlimit no_core = {0, 0};
	int null = open("/dev/null", O_WRONLY);

	setrlimit(RLIMIT_CORE, &no_core);
	/* A run touches few tables. Clearing 2M for each would take most of its time. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	dup2(null, STDOUT_FILENO);
	dup2(fileno(output), STDERR_FILENO);
	_exit(run_all(hunt, scenario, options) ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void read_output(struct hunt *hunt, FILE *output, int status)
{
	size_t length;

	rewind(output);
	length = fread(hunt->output, 1, HUNT_OUTPUT - 64, output);
	hunt->output[length] = '\0';
	if (WIFSIGNALED(status))
		snprintf(hunt->output + length, 64, "ended by signal %d (%s)\n", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
}

/* Runs all schedules in a child process; 0 or a negative errno. */
static int run_child(struct hunt *hunt, const struct scenario *scenario,
		     const struct hunt_options *options, FILE *output)
{
	pid_t explore = getpid(), pid;
	int status = 0;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		die_with(explore);
		child(hunt, scenario, options, output);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	hunt->failed = status != 0;
	if (hunt->failed)
		read_output(hunt, output, status);
	return 0;
}

void hunt_end(struct hunt *hunt)
{
	munmap(hunt, sizeof(*hunt));
}

struct hunt *hunt_run(const struct scenario *scenario, const struct hunt_options *options)
{
	struct hunt *hunt = mmap(NULL, sizeof(*hunt), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FILE *output = tmpfile();
	int err = hunt == MAP_FAILED || !output ? -ENOMEM : 0;

	if (!err)
		err = run_child(hunt, scenario, options, output);
	if (output)
		fclose(output);
	if (err && hunt != MAP_FAILED)
		hunt_end(hunt);
	return err ? NULL : hunt;
}
