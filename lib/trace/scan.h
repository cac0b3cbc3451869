/*
 * Reads a line from left to right. Each function takes what it expects from the front of
 * the text, or marks the scan as failed. A failed scan takes nothing more, so a caller
 * checks once, at the end.
 */
#ifndef TRACE_SCAN_H
#define TRACE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan {
	const char *at, *end;
	bool failed;
};

struct scan scan_text(const char *text, size_t length);

/* Takes `word` if it stands next; false, and nothing taken, if not. */
bool scan_try(struct scan *scan, const char *word);
/* Takes `word`, which must stand next. */
void scan_word(struct scan *scan, const char *word);
/* Skips to behind the next occurrence of `word`, which must be there. */
void scan_past(struct scan *scan, const char *word);
/* As scan_past(), but false, and nothing taken, if there is none. */
bool scan_try_past(struct scan *scan, const char *word);

uint64_t scan_dec(struct scan *scan);
uint64_t scan_hex(struct scan *scan); /* with or without 0x */
int64_t scan_signed(struct scan *scan);
/* "0x12" or "18", as the program under KVM prints sizes. */
uint64_t scan_number(struct scan *scan);

/* Copies up to the next blank, or the end, into `out`, and adds a 0. Fails if it does not fit. */
void scan_token(struct scan *scan, char *out, size_t size);

#endif
