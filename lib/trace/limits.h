/*
 * What a reader accepts at most. A file beyond a limit is refused with a sentence that
 * names the limit, so that a damaged or hostile file costs bounded memory and time.
 *
 * The largest captures known have 30 MB of text and 300 000 events.
 */
#ifndef TRACE_LIMITS_H
#define TRACE_LIMITS_H

#define TRACE_MIB ((size_t)1 << 20)

#define TRACE_FILE_MAX	      (256 * TRACE_MIB) /* bytes of the file as it is */
#define TRACE_TEXT_MAX	      (256 * TRACE_MIB) /* bytes of text, unpacked */
#define TRACE_EVENTS_MAX      2000000		/* events kept; ignored lines do not count */
#define TRACE_XZ_MEMORY	      (128 * TRACE_MIB) /* of the xz decoder; `xz -9` needs 65 MiB */
#define TRACE_DAT_MEMORY      (512 * TRACE_MIB) /* of libtracecmd */
#define TRACE_DAT_CPU_SECONDS 60		/* of libtracecmd */

#endif
