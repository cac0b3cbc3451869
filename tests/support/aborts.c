/*
 * Runs a body that is expected to abort in a child process. It writes no core file, which
 * would appear in every run of the tests.
 */
#include "support/aborts.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void child(void (*body)(void *arg), void *arg)
{
	const struct rlimit no_core = {0, 0};
	int null = open("/dev/null", O_WRONLY);

	setrlimit(RLIMIT_CORE, &no_core);
	/* CMocka and the sanitizers would catch the signal and report something else. */
	signal(SIGABRT, SIG_DFL);
	dup2(null, STDERR_FILENO);
	body(arg);
	_exit(0);
}

bool aborts(void (*body)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		child(body, arg);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGABRT;
}
