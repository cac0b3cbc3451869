#include "trace/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int bytes_reserve(struct bytes *bytes)
{
	size_t room = bytes->room ? bytes->room : BYTES_CHUNK;
	char *data;

	if (bytes->count > bytes->limit)
		return -E2BIG;
	while (room - bytes->count < BYTES_CHUNK)
		room *= 2;
	if (room == bytes->room)
		return 0;
	data = realloc(bytes->data, room);
	if (!data)
		return -ENOMEM;
	bytes->data = data;
	bytes->room = room;
	return 0;
}

int bytes_read(struct bytes *bytes, int fd)
{
	ssize_t got;
	int err;

	do {
		err = bytes_reserve(bytes);
		if (err)
			return err;
		got = read(fd, bytes->data + bytes->count, BYTES_CHUNK);
		if (got > 0)
			bytes->count += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 ? -errno : 0;
}

void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	bytes->data = NULL;
	bytes->count = bytes->room = 0;
}
