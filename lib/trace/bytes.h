/*
 * A growing run of bytes with an upper bound, and a file read into one.
 */
#ifndef TRACE_BYTES_H
#define TRACE_BYTES_H

#include <stddef.h>

#define BYTES_CHUNK ((size_t)1 << 16)

struct bytes {
	char *data; /* owned */
	size_t count, room;
	size_t limit; /* of count */
};

/*
 * Makes room for one chunk behind the bytes there are. -ENOMEM; -E2BIG if the limit is
 * reached. The last chunk may pass the limit: bytes_read() and unpack() check afterwards.
 */
int bytes_reserve(struct bytes *bytes);

/*
 * Appends all that `fd` still has. A negative errno: -E2BIG beyond the limit, else that of
 * read(2) or -ENOMEM.
 */
int bytes_read(struct bytes *bytes, int fd);

void bytes_free(struct bytes *bytes);

#endif
