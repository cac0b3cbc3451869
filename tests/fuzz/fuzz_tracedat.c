/*
 * Any bytes as a trace.dat: whatever trace-cmd's libraries make of them in their child
 * process, the reader ends, with text or with a sentence, and gives everything back.
 */
#include "fuzz/support/input.h"

#include "trace/limits.h"
#include "trace/text.h"
#include "trace/tracedat.h"

static void parse_text(struct bytes *text)
{
	struct trace trace = trace_empty("fuzz");
	struct problem problem = {{0}};

	trace.text = text->data;
	trace.text_bytes = text->count;
	text->data = NULL;
	if (text_parse(&trace, &problem))
		HOLDS(problem.sentence[0]);
	trace_free(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {.data = malloc(size + 1), .count = size, .limit = TRACE_FILE_MAX};
	struct bytes text = {.limit = TRACE_TEXT_MAX};
	struct problem problem = {{0}};

	HOLDS(in.data);
	memcpy(in.data, data, size);
	if (tracedat_to_text("fuzz", &in, &text, &problem))
		HOLDS(problem.sentence[0]);
	else
		parse_text(&text);
	bytes_free(&text);
	bytes_free(&in);
	return 0;
}
