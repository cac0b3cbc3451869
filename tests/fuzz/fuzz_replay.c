/*
 * Any text as a trace to be replayed: whatever it says happened, the replay ends,
 * with one of its four endings, and gives everything back.
 */
#include "fuzz/support/input.h"

#include "tools/replay/drive.h"
#include "trace/settle.h"
#include "trace/text.h"

/* As many machines as there are: a trace's own header wins. */
static struct settings asked(uint8_t bits)
{
	struct settings settings = settings_unknown();
	static const enum tdp_baseline baselines[] = {TDP_BASELINE_6_1, TDP_BASELINE_6_12,
						      TDP_BASELINE_6_18, TDP_BASELINE_7_2};

	settings.value[SETTING_BASELINE] = baselines[bits & 3];
	settings.value[SETTING_FORMAT] = bits >> 2 & 1;
	settings.value[SETTING_LEVELS] = bits & 8 ? 5 : 4;
	settings.value[SETTING_AD] = !(bits & 16);
	settings.value[SETTING_MMIO_CACHING] = !(bits & 32);
	return settings;
}

static void replay(const struct trace *trace, uint8_t bits)
{
	struct settings settings, wished = asked(bits), stated = settings_stated(&trace->header);
	bool assumed[SETTING_COUNT];
	struct replay replay;

	if (settings_join(&stated, &wished, &settings) != SETTING_COUNT)
		settings = stated;
	settings_assume(&settings, &trace->header, assumed);
	drive_trace(&replay, trace, &settings, bits & 64);
	HOLDS(replay.ending >= ENDING_AGREES && replay.ending <= ENDING_FAILED);
	HOLDS(replay.ending != ENDING_STOPPED || replay.needs);
	HOLDS(replay.ending != ENDING_FAILED || replay.problem.sentence[0]);
	replay_free(&replay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace trace = trace_empty("fuzz");
	struct problem problem = {{0}};

	if (size < 2)
		return 0;
	trace.text_bytes = size - 1;
	trace.text = malloc(trace.text_bytes);
	HOLDS(trace.text);
	memcpy(trace.text, data + 1, trace.text_bytes);
	if (text_parse(&trace, &problem) == 0 && settle_trace(&trace) == 0)
		replay(&trace, data[0]);
	trace_free(&trace);
	return 0;
}
