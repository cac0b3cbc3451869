/* A slot's dirty log: its memory. See dirty_log.h. */
#include "guest/dirty_log.h"

static size_t bytes_of(size_t words)
{
	return sizeof(struct dirty_log) + words * sizeof(atomic_u64);
}

struct dirty_log *dirty_log_create(const struct dirty_log_config *config)
{
	size_t words = (size_t)((config->pages + LOG_WORD_PAGES - 1) / LOG_WORD_PAGES);
	size_t capacity = (config->bitmap ? words : 0) + (config->rings ? words : 0);
	struct dirty_log *log = host_allocate(config->host, bytes_of(capacity));

	if (!log)
		return NULL;
	log->host = config->host;
	log->pages = config->pages;
	log->words = config->bitmap ? words : 0;
	log->capacity = capacity;
	for (size_t i = 0; i < log->words; i++)
		u64_init(&log->bits[i], config->all_set ? dirty_log_valid(config->pages, i) : 0);
	return log;
}

void dirty_log_destroy(struct dirty_log *log)
{
	if (log)
		host_release(log->host, log, bytes_of(log->capacity));
}
