/* Waiting for a page source whose lock is held across grace periods. See source.h. */
#include "guest/source.h"

#include "platform/wait.h"

void source_wait(struct tdp_host *host, uint32_t releases)
{
	wait_while(&host->source_releases, releases);
}

void source_release_waiters(struct tdp_host *host)
{
	u32_add_acq_rel(&host->source_releases, 1);
	wait_wake_all(&host->source_releases);
}
