/*
 * Structs that grow: how a public config is read
 *
 * A config begins with a size_t `size`: the bytes of the struct as its user's header
 * declares it. Later releases append fields, so a user and this library may know
 * different lengths of one struct:
 *
 *   S1  A shorter one is copied as far as it goes; the fields that it lacks are 0,
 *       which means the default.
 *   S2  A longer one is taken if all beyond our fields is 0: its user asks for
 *       nothing that we do not know.
 *   S3  Size 0 means the fields of the first release of libtdpsim.so.0 (SIZED_FIRST),
 *       in every later one too. A program that left it 0 is never read beyond its own
 *       struct, whatever was appended since.
 *
 * So a field is appended behind the padding of the struct before it, never into it:
 * an older program leaves anything there.
 */
#ifndef TDPSIM_PLATFORM_SIZED_H
#define TDPSIM_PLATFORM_SIZED_H

#include <stddef.h>

/* The largest size that a config may state. */
#define SIZED_MOST 4096

/* What a size must be, in words. Arguments: sizeof(size_t), SIZED_MOST, the bytes known. */
#define SIZED_RULE "it must be 0, or %zu to %d with nothing but zeros beyond %zu bytes"

/*
 * What size 0 means for a struct (S3). Nothing was released yet, so it is all of it; the
 * first release replaces this by the size that each struct has then.
 */
#define SIZED_FIRST(type) sizeof(type)

/*
 * Copies `given`, whose first field is its size, to `own` of `bytes` bytes, and stores
 * `bytes` as the copy's size. `first` is what size 0 means (S3). NULL gives all 0.
 *
 * -EINVAL  the size is below that of a size_t or above SIZED_MOST, or what lies beyond
 *          `bytes` is not all 0; `own` is left alone
 */
int sized_read(void *own, size_t bytes, size_t first, const void *given);

#endif
