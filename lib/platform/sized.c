/* Structs that grow. See sized.h. */
#include "platform/sized.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool all_zero(const unsigned char *from, const unsigned char *to)
{
	while (from < to)
		if (*from++)
			return false;
	return true;
}

int sized_read(void *own, size_t bytes, size_t first, const void *given)
{
	const unsigned char *from = given;
	size_t size = first;

	if (given) {
		memcpy(&size, given, sizeof(size));
		if (size == 0)
			size = first;
		if (size < sizeof(size) || size > SIZED_MOST)
			return -EINVAL;
		if (size > bytes && !all_zero(from + bytes, from + size))
			return -EINVAL;
	}
	memset(own, 0, bytes);
	if (given)
		memcpy(own, given, size < bytes ? size : bytes);
	memcpy(own, &bytes, sizeof(bytes));
	return 0;
}
