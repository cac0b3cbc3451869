/*
 * Callers of the host. Each is registered with the host's epoch, and is on a list so that
 * the frames in its cache can be counted.
 */
#include "host/caller.h"

#include "host/frame.h"
#include "platform/check.h"

void host_caller_init(struct host_caller *caller, struct tdp_host *host)
{
	*caller = (struct host_caller){.host = host};
	rcu_register(&host->rcu, &caller->rcu);
	spinlock_lock(&host->callers_lock);
	caller->next = host->callers;
	host->callers = caller;
	spinlock_unlock(&host->callers_lock);
}

static void unlist(struct host_caller *caller)
{
	struct tdp_host *host = caller->host;
	struct host_caller **at = &host->callers;

	spinlock_lock(&host->callers_lock);
	while (*at && *at != caller)
		at = &(*at)->next;
	CHECK(*at); /* initialized once, ended once */
	*at = caller->next;
	spinlock_unlock(&host->callers_lock);
}

void host_caller_fini(struct host_caller *caller)
{
	unlist(caller);
	frame_cache_drain(caller);
	rcu_unregister(&caller->host->rcu, &caller->rcu);
}

static struct host_caller *take_idle(struct tdp_host *host)
{
	struct host_caller *caller;

	spinlock_lock(&host->callers_lock);
	caller = host->idle;
	if (caller)
		host->idle = caller->next_idle;
	spinlock_unlock(&host->callers_lock);
	return caller;
}

struct host_caller *host_caller_get(struct tdp_host *host)
{
	struct host_caller *caller = take_idle(host);

	if (caller)
		return caller;
	caller = host_allocate_aligned(host, _Alignof(struct host_caller), sizeof(*caller));
	if (caller)
		host_caller_init(caller, host);
	return caller;
}

void host_caller_put(struct host_caller *caller)
{
	struct tdp_host *host = caller->host;

	CHECK(!rcu_inside(&caller->rcu));
	spinlock_lock(&host->callers_lock);
	caller->next_idle = host->idle;
	host->idle = caller;
	spinlock_unlock(&host->callers_lock);
}

void callers_fini(struct tdp_host *host)
{
	struct host_caller *caller;

	while ((caller = take_idle(host))) {
		host_caller_fini(caller);
		host_release(host, caller, sizeof(*caller));
	}
	CHECK(!host->callers); /* all VMs have been destroyed, all borrowed callers put back */
}

uint64_t callers_cached_frames(struct tdp_host *host)
{
	uint64_t frames = 0;

	spinlock_lock(&host->callers_lock);
	for (const struct host_caller *caller = host->callers; caller; caller = caller->next)
		frames += u32_load_relaxed(&caller->frames.count);
	spinlock_unlock(&host->callers_lock);
	return frames;
}
