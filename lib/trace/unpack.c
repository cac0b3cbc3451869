#include "trace/unpack.h"

#include "trace/limits.h"

#include <errno.h>
#include <lzma.h>
#include <string.h>

bool unpack_recognises(const struct bytes *bytes)
{
	return bytes->count >= 6 && memcmp(bytes->data, "\xfd\x37\x7a\x58\x5a\x00", 6) == 0;
}

static unsigned int count_lines(const struct bytes *text)
{
	unsigned int lines = 0;

	for (size_t i = 0; i < text->count; i++)
		lines += text->data[i] == '\n';
	return lines;
}

static lzma_ret unpack_step(lzma_stream *stream, struct bytes *out, int *err)
{
	lzma_ret ret;

	*err = bytes_reserve(out);
	if (*err)
		return LZMA_MEM_ERROR;
	stream->next_out = (uint8_t *)out->data + out->count;
	stream->avail_out = BYTES_CHUNK;
	ret = lzma_code(stream, LZMA_FINISH);
	out->count += BYTES_CHUNK - stream->avail_out;
	return ret;
}

static int state_failure(const char *path, const struct bytes *out, lzma_ret ret, int err,
			 struct problem *problem)
{
	if (err == -E2BIG)
		return problem_state(problem, -E2BIG,
				     "%s: the file unpacks to more than %zu MiB, the limit of text",
				     path, out->limit / TRACE_MIB);
	if (ret == LZMA_MEMLIMIT_ERROR)
		return problem_state(problem, -E2BIG,
				     "%s: to unpack the file takes more than %zu MiB, the limit",
				     path, TRACE_XZ_MEMORY / TRACE_MIB);
	if (ret == LZMA_MEM_ERROR)
		return problem_state(problem, -ENOMEM, "%s: no memory to unpack the file", path);
	return problem_state(problem, -EINVAL, "%s: line %u: the xz data is %s", path,
			     count_lines(out) + 1, ret == LZMA_BUF_ERROR ? "truncated" : "damaged");
}

int unpack(const char *path, const struct bytes *in, struct bytes *out, struct problem *problem)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret ret = lzma_stream_decoder(&stream, TRACE_XZ_MEMORY, LZMA_CONCATENATED);
	int err = 0;

	stream.next_in = (const uint8_t *)in->data;
	stream.avail_in = in->count;
	while (ret == LZMA_OK)
		ret = unpack_step(&stream, out, &err);
	lzma_end(&stream);
	if (ret == LZMA_STREAM_END && out->count <= out->limit)
		return 0;
	if (ret == LZMA_STREAM_END)
		err = -E2BIG;
	return state_failure(path, out, ret, err, problem);
}
