/*
 * Notifiers: the host tells whoever subscribed before and after a range of the
 * process's memory changes hands, and asks whether a range was accessed. The only
 * road upwards out of host/.
 *
 * begin() returns when the subscriber maps nothing of the range any more; it may
 * sleep. Callbacks run under no lock of the host but inside the chain's read
 * section: subscribing and unsubscribing wait for callbacks that are running, so
 * a callback does neither, and it opens or closes no pair of its own.
 *
 * A subscriber hears an end only if it heard the begin: subscribing waits until
 * no pair is open (in Linux mmap_lock sees to it, mmu_notifier_register() in
 * mm/mmu_notifier.c, 6.12). So nobody subscribes between his own begin and end.
 */
#ifndef TDPSIM_HOST_NOTIFY_H
#define TDPSIM_HOST_NOTIFY_H

#include "host/host.h"

struct notifier_ops {
	void (*begin)(void *context, uint64_t start, uint64_t end);
	void (*end)(void *context, uint64_t start, uint64_t end);
	/*
	 * Was anything in the range accessed since the last time? NULL: never. The first
	 * takes the accessed state away. No pair need be open, and any may be.
	 */
	bool (*age)(void *context, uint64_t start, uint64_t end);
	bool (*test_age)(void *context, uint64_t hva);
};

struct notifier {
	const struct notifier_ops *ops;
	void *context;
	struct notifier *next; /* the chain's */
};

/* `notifier` is embedded in the subscriber and must live until unsubscribed. */
void notifier_subscribe(struct tdp_host *host, struct notifier *notifier);
void notifier_unsubscribe(struct tdp_host *host, struct notifier *notifier);

#endif
