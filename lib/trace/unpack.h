/*
 * xz files, by liblzma.
 */
#ifndef TRACE_UNPACK_H
#define TRACE_UNPACK_H

#include "trace/bytes.h"
#include "trace/problem.h"

#include <stdbool.h>

/* Decides by the first bytes of the file, not by its name. */
bool unpack_recognises(const struct bytes *bytes);

/*
 * Unpacks `in` into `out`, which the caller frees in any case. Returns 0, or a negative
 * errno with `problem` filled in. The decoder's memory and the size of the output have
 * limits (limits.h).
 */
int unpack(const char *path, const struct bytes *in, struct bytes *out, struct problem *problem);

#endif
