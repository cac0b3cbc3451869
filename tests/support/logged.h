/*
 * Logged slots for the tests of the dirty log: slot 1 of a guest, at AT, over the start of its
 * memory.
 */
#ifndef TESTS_SUPPORT_LOGGED_H
#define TESTS_SUPPORT_LOGGED_H

#include "support/guest.h"

#define AT    0x40000ULL
#define PAGES 4096ULL /* 16 MiB */
#define WORDS (PAGES / 64)

/* Creates the slot, or switches its log. */
void slot_logged(struct guest *guest, bool log_dirty);
/* The same for a slot of any shape. */
struct tdp_memslot logged_slot_of(const struct guest *guest, unsigned int id, uint64_t gfn,
				  uint64_t pages, uint64_t offset);
void slot_logged_as(struct guest *guest, unsigned int id, uint64_t gfn, uint64_t pages,
		    uint64_t offset);

/* Reads the log of slot 1; returns the number of reported pages. */
uint64_t log_read(struct guest *guest, uint64_t bitmap[WORDS]);
/* Fails unless it reports exactly these pages. */
#define log_expect(guest, ...)                                                                     \
	log_expect_as(guest, (const uint64_t[]){__VA_ARGS__},                                      \
		      sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))
void log_expect_as(struct guest *guest, const uint64_t *pages, size_t count);
void log_expect_none(struct guest *guest);
/* Clears all bits of [first, first + pages) in the log of slot 1. */
void log_clear(struct guest *guest, uint64_t first, uint64_t pages);

/* Flushes since the last guest_forget(). */
size_t flushes(const struct guest *guest);

#endif
