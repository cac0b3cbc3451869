#include "common/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

/* Static, because a signal handler has no argument. */
static struct tdp_flag *raised_by_signal;

static void on_interrupt(int signal)
{
	(void)signal;
	tdp_flag_raise_from_signal(raised_by_signal);
}

int interrupt_catch(struct tdp_flag *flag)
{
	struct sigaction action = {.sa_handler = on_interrupt,
				   .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};

	raised_by_signal = flag;
	return sigaction(SIGINT, &action, NULL) ? -errno : 0;
}

void interrupt_release(void)
{
	signal(SIGINT, SIG_DFL);
	raised_by_signal = NULL;
}
