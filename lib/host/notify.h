/*
 * Notifiers: the host calls its subscribers before and after a range of memory changes, and to ask
 * whether memory was accessed. They are the only calls from host/ to the rooms above it.
 *
 * begin() returns when the subscriber maps nothing of the range any more; it may sleep.
 * Callbacks run with the chain's lock held shared, and under no other lock of the host.
 * Subscribing and unsubscribing wait for running callbacks, so a callback does neither, and
 * it opens or closes no pair of its own.
 *
 * A subscriber gets an end only if it got the begin: subscribing waits until no pair is open
 * (in Linux mmap_lock ensures that, mmu_notifier_register() in mm/mmu_notifier.c, 6.12). So
 * an actor does not subscribe between its own begin and end.
 */
#ifndef TDPSIM_HOST_NOTIFY_H
#define TDPSIM_HOST_NOTIFY_H

#include "host/host.h"

struct page_source; /* guest/source.h */

/*
 * Which memory changes: pages [first, past) of one source; or, where the caller speaks of the
 * process's memory at large, the bytes [start, end) of every source that has addresses, of any
 * alignment. source_changed() makes pages of either.
 */
struct memory_change {
	const struct page_source *source; /* NULL: by address alone */
	uint64_t first, past;
	uint64_t start, end; /* as the process names it, also with a source; for tracepoints */
};

struct notifier_ops {
	void (*begin)(void *context, const struct memory_change *change);
	void (*end)(void *context, const struct memory_change *change);
	/*
	 * Was any of the memory accessed since the last call? NULL: never. With `test` it leaves
	 * the accessed state alone, else it clears it. Pairs may be open or not.
	 */
	bool (*age)(void *context, const struct memory_change *change, bool test);
};

struct notifier {
	const struct notifier_ops *ops;
	void *context;
	struct notifier *next; /* in the chain */
};

/* `notifier` is embedded in the subscriber and must live until unsubscribed. */
void notifier_subscribe(struct tdp_host *host, struct notifier *notifier);
void notifier_unsubscribe(struct tdp_host *host, struct notifier *notifier);

/*
 * Reports that memory is about to change, and that it has changed, to every subscriber. Pairs may
 * nest and overlap; the end has the same change as its begin.
 */
void notify_begin(struct tdp_host *host, const struct memory_change *change);
void notify_end(struct tdp_host *host, const struct memory_change *change);

#endif
