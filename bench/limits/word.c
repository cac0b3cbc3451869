/*
 * Words that vCPUs share, and words that they do not: the least that entering and
 * leaving a reader's section costs, by one thread and by two at once. A fault
 * under upstream's lock writes shared words three times: it takes the lock, drops
 * it and counts the page.
 *
 * Times are wall time: the wait for the other CPU is what is measured. How long
 * that is depends on where the two CPUs sit, which `pingpong` tells. On a rented
 * machine that changes within minutes, so it belongs beside every figure that two
 * threads produced.
 */
#include "limits/ground.h"
#include "limits/probe.h"

#define ROUNDS	    5000 /* of a batch; with BATCHES of them in a run */
#define PINGS	    500	 /* likewise: a batch is over before a scheduler's time slice is */
#define BATCHES	    40
#define READER_UNIT 512 /* what a reader adds to a reader-writer word, as in Linux's qrwlock */

/* Limit of one counter for all. */
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

/* The same two instructions where each thread has a word of its own. */
static uint64_t own_reader(struct ground *ground, unsigned int thread)
{
	return enter_and_leave(&ground->words.own[thread].word);
}

/* A flag of one's own and a full fence: what a writer that reads the flags can rely on. */
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

/* Two stores to a line of one's own: who waits for readers pays, by membarrier(2). */
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

/* What the C library's locks take, for comparison. */
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
 * Limit of telling another CPU something and hearing back: thread 0 raises the
 * word, thread 1 lowers it again. They alternate, whatever batch each is in.
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
	 .what = "a line to the other CPU and back",
	 .unit = "round trip",
	 .prepare = clear_word,
	 .loop = pingpong,
	 .threads = 2,
	 .wall = true,
	 .batches = BATCHES},
};

const struct part part_word = {
	.name = "word",
	.what = "words that are shared, and that are not",
	.probes = probes,
	.count = sizeof(probes) / sizeof(probes[0]),
};
