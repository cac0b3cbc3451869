/*
 * The chain of notifiers
 *
 * Callbacks run under the chain's lock held shared, so that no subscriber ends during one; they may
 * sleep. `invalidations` counts open pairs: it goes up before the first begin() is called and down
 * after the last end() has returned, both under the lock. An actor that holds the lock exclusively
 * and reads 0 knows that no pair is open, and that none opens until it drops the lock. The lock
 * orders the count, so relaxed would do for it.
 *
 * Callbacks are made in the order of subscription, at begin and at end.
 */
#include "host/notify.h"

#include "platform/check.h"
#include "platform/wait.h"

static void append(struct tdp_host *host, struct notifier *notifier)
{
	struct notifier **at = &host->notifiers;

	for (; *at; at = &(*at)->next)
		CHECK(*at != notifier); /* subscribed once */
	notifier->next = NULL;
	*at = notifier;
}

static bool try_subscribe(struct tdp_host *host, struct notifier *notifier)
{
	bool quiet;

	rwlock_write_lock(&host->notifiers_lock);
	quiet = u32_load_acquire(&host->invalidations) == 0;
	if (quiet)
		append(host, notifier);
	rwlock_write_unlock(&host->notifiers_lock);
	return quiet;
}

void notifier_subscribe(struct tdp_host *host, struct notifier *notifier)
{
	struct waiting waiting = {0};

	while (!try_subscribe(host, notifier))
		platform_pause(&waiting);
}

void notifier_unsubscribe(struct tdp_host *host, struct notifier *notifier)
{
	struct notifier **at = &host->notifiers;

	rwlock_write_lock(&host->notifiers_lock);
	while (*at && *at != notifier)
		at = &(*at)->next;
	CHECK(*at); /* it was subscribed */
	*at = notifier->next;
	rwlock_write_unlock(&host->notifiers_lock);
}

void notify_begin(struct tdp_host *host, const struct memory_change *change)
{
	rwlock_read_lock(&host->notifiers_lock, NULL);
	u32_add_acq_rel(&host->invalidations, 1);
	for (struct notifier *notifier = host->notifiers; notifier; notifier = notifier->next)
		notifier->ops->begin(notifier->context, change);
	rwlock_read_unlock(&host->notifiers_lock, NULL);
}

void notify_end(struct tdp_host *host, const struct memory_change *change)
{
	rwlock_read_lock(&host->notifiers_lock, NULL);
	for (struct notifier *notifier = host->notifiers; notifier; notifier = notifier->next)
		notifier->ops->end(notifier->context, change);
	CHECK(u32_add_acq_rel(&host->invalidations, (uint32_t)-1) != 0); /* an end has a begin */
	rwlock_read_unlock(&host->notifiers_lock, NULL);
}

void tdp_host_invalidate_begin(struct tdp_host *host, uint64_t start, uint64_t end)
{
	notify_begin(host, &(struct memory_change){.start = start, .end = end});
}

void tdp_host_invalidate_end(struct tdp_host *host, uint64_t start, uint64_t end)
{
	notify_end(host, &(struct memory_change){.start = start, .end = end});
}

bool tdp_host_age(struct tdp_host *host, uint64_t start, uint64_t end)
{
	const struct memory_change range = {.start = start, .end = end};
	bool young = false;

	rwlock_read_lock(&host->notifiers_lock, NULL);
	for (struct notifier *notifier = host->notifiers; notifier; notifier = notifier->next)
		if (notifier->ops->age && notifier->ops->age(notifier->context, &range, false))
			young = true; /* the other subscribers must clear their state, too */
	rwlock_read_unlock(&host->notifiers_lock, NULL);
	return young;
}

bool tdp_host_test_age(struct tdp_host *host, uint64_t hva)
{
	const struct memory_change byte = {.start = hva, .end = hva + 1};
	bool young = false;

	rwlock_read_lock(&host->notifiers_lock, NULL);
	for (struct notifier *notifier = host->notifiers; notifier && !young;
	     notifier = notifier->next)
		young = notifier->ops->age && notifier->ops->age(notifier->context, &byte, true);
	rwlock_read_unlock(&host->notifiers_lock, NULL);
	return young;
}
