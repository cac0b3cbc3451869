/*
 * Words that vCPUs share, and words of each vCPU: lower bounds for entering and leaving a read
 * section, by one thread and by two at once. A fault under the kernel's lock writes shared words
 * three times: it takes the lock, drops it and counts the page.
 *
 * The probes measure wall time, because they measure the wait for the other CPU. It depends on
 * where the two CPUs are, which `pingpong` shows. On a rented machine that changes within minutes,
 * so every figure of two threads needs it beside.
 */
#include "limits/ground.h"
#include "limits/probe.h"

#define ROUNDS	    5000 /* in a batch; a run has BATCHES of them */
#define PINGS	    500	 /* likewise: a batch ends within a time slice of the scheduler */
#define BATCHES	    40
#define READER_UNIT 512 /* what a reader adds to the word of a lock, as in Linux's qrwlock */

/* Limit of one shared counter. */
static uint64_t word_add(struct ground *ground, unsigned int thread)
{
	(void)thread;
	for (unsigned int i = 0; i < ROUNDS; i++)
		__atomic_fetch_add(&ground->words.shared, 1, __ATOMIC_ACQ_REL);
	return ROUNDS;
}

static inline uint64_t enter_and_leave(uint64_t *word)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		__atomic_fetch_add(word, READER_UNIT, __ATOMIC_ACQUIRE);
		__atomic_fetch_sub(word, READER_UNIT, __ATOMIC_RELEASE);
	}
	return ROUNDS;
}

/* Limit of a reader-writer lock in one word: two locked instructions on a shared line. */
static uint64_t word_reader(struct ground *ground, unsigned int thread)
{
	(void)thread;
	return enter_and_leave(&ground->words.shared);
}

/* The same two instructions on a word of the thread. */
static uint64_t own_reader(struct ground *ground, unsigned int thread)
{
	return enter_and_leave(&ground->words.own[thread].word);
}

/* A flag of the thread and a full fence, for a writer that reads the flags. */
static uint64_t own_fence(struct ground *ground, unsigned int thread)
{
	uint64_t *word = &ground->words.own[thread].word;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		__atomic_store_n(word, i | 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		__atomic_store_n(word, 0, __ATOMIC_RELEASE);
	}
	return ROUNDS;
}

/* Two stores to a line of the thread; a writer that waits for readers calls membarrier(2). */
static uint64_t own_flag(struct ground *ground, unsigned int thread)
{
	uint64_t *word = &ground->words.own[thread].word;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		__atomic_store_n(word, i | 1, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		__atomic_store_n(word, 0, __ATOMIC_RELEASE);
	}
	return ROUNDS;
}

/* The locks of the C library, for comparison. */
static uint64_t libc_rwlock(struct ground *ground, unsigned int thread)
{
	(void)thread;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pthread_rwlock_rdlock(&ground->words.rwlock);
		pthread_rwlock_unlock(&ground->words.rwlock);
	}
	return ROUNDS;
}

static uint64_t libc_mutex(struct ground *ground, unsigned int thread)
{
	(void)thread;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&ground->words.mutex);
		pthread_mutex_unlock(&ground->words.mutex);
	}
	return ROUNDS;
}

static int clear_word(struct ground *ground)
{
	ground->words.shared = 0;
	return 0;
}

/*
 * Limit of a message to another CPU and its answer: thread 0 raises the word, thread 1 lowers it.
 * They alternate, in whatever batch each is.
 */
static uint64_t pingpong(struct ground *ground, unsigned int thread)
{
	uint64_t *word = &ground->words.shared;

	for (unsigned int i = 0; i < PINGS; i++) {
		if (thread == 0)
			__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != thread)
			;
		if (thread == 1)
			__atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
	}
	return PINGS;
}

#define ALONE_AND_BOTH(text, function)                                                             \
	{.name = #function "_1",                                                                   \
	 .what = text,                                                                             \
	 .unit = "round",                                                                          \
	 .loop = function,                                                                         \
	 .threads = 1,                                                                             \
	 .wall = true,                                                                             \
	 .batches = BATCHES},                                                                      \
	{                                                                                          \
		.name = #function "_2", .what = text ", two threads", .unit = "round",             \
		.loop = function, .threads = 2, .wall = true, .batches = BATCHES                   \
	}

static const struct probe probes[] = {
	ALONE_AND_BOTH("add to one word", word_add),
	ALONE_AND_BOTH("a reader in and out of one word", word_reader),
	ALONE_AND_BOTH("a reader in and out of its own word", own_reader),
	ALONE_AND_BOTH("set and clear a flag of its own, fenced", own_fence),
	ALONE_AND_BOTH("set and clear a flag of its own", own_flag),
	ALONE_AND_BOTH("pthread_rwlock, for reading", libc_rwlock),
	ALONE_AND_BOTH("pthread_mutex", libc_mutex),
	{.name = "pingpong",
	 .what = "a cache line to the other CPU and back",
	 .unit = "round trip",
	 .prepare = clear_word,
	 .loop = pingpong,
	 .threads = 2,
	 .wall = true,
	 .batches = BATCHES},
};

const struct part part_word = {
	.name = "word",
	.what = "words that are shared, and words of a thread",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
