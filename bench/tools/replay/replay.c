#include "replay.h"

#include "kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tdpsim/vm.h>

/* KVM writes the state save area of an SMI itself, into a slot without a log. */
#define GFN_SMRAM_STATE 0x3f

bool replay_is_ept(const struct replay *replay)
{
	return replay->settings.value[SETTING_FORMAT] == STATED_EPT;
}

enum tdp_baseline replay_baseline(const struct replay *replay)
{
	return (enum tdp_baseline)replay->settings.value[SETTING_BASELINE];
}

static bool has_no_effect(const struct replay *replay, const struct event *event)
{
	if (event->kind == EVENT_UNMAP || event->kind == EVENT_AGE || event->kind == EVENT_TEST_AGE)
		return !slots_hit(&replay->slots, event->u.range.start, event->u.range.end);
	if (event->kind == EVENT_NX_RECOVERY)
		return replay->recovering;
	return event->kind == EVENT_MARK_DIRTY && event->u.dirty.gfn == GFN_SMRAM_STATE;
}

const struct event *replay_peek(struct replay *replay)
{
	const struct trace *trace = replay->trace;

	while (replay->cursor < trace->count &&
	       has_no_effect(replay, &trace->events[replay->cursor]))
		replay->cursor++;
	return replay->cursor < trace->count ? &trace->events[replay->cursor] : NULL;
}

/* In a stretch the cursor rests: its events are played in an order of their own. */
void replay_take(struct replay *replay)
{
	replay->cursor += !replay->stretch;
}

unsigned int replay_line(struct replay *replay)
{
	const struct event *event = replay_peek(replay);

	return event ? event->line : replay->trace->line_count;
}

static void end_replay(struct replay *replay, enum ending ending)
{
	if (replay->ending < ending)
		replay->ending = ending;
	replay->over = true;
}

void replay_stop(struct replay *replay, unsigned int line, const char *needs)
{
	replay->needs = needs;
	replay->stop_line = line;
	end_replay(replay, ENDING_STOPPED);
}

void replay_fail(struct replay *replay, int err, const char *what)
{
	char reason[sizeof(replay->problem.sentence)];

	if (replay->over)
		return;
	snprintf(reason, sizeof(reason), "%s", replay->problem.sentence);
	problem_state(&replay->problem, err, "%s: %s%s%s", what, strerror(-err),
		      *reason ? ": " : "", reason);
	end_replay(replay, ENDING_FAILED);
}

void replay_lose(struct replay *replay, unsigned int line, const char *format, ...)
{
	char sentence[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	compare_note(&replay->comparison, line, "%s", sentence);
	end_replay(replay, ENDING_DIFFERS);
}

static void lose_place(struct replay *replay, const struct event *theirs, const struct event *ours)
{
	if (theirs->kind == EVENT_FEATURE) {
		replay_stop(replay, theirs->line, theirs->u.feature.name);
		return;
	}
	replay_lose(replay, theirs->line, "the trace has \"%.*s\", the simulator %s%s%.*s%s",
		    (int)theirs->length, theirs->text, event_name(ours->kind),
		    ours->length ? " (" : "", (int)ours->length, ours->length ? ours->text : "",
		    ours->length ? ")" : "");
}

void replay_begin_walk(struct replay *replay)
{
	replay->walk = (struct yielding_walk){.on = true, .yields = replay->walk.yields};
}

void replay_end_walk(struct replay *replay)
{
	replay->walk.on = false;
}

static bool is_removed_entry(const struct replay *replay, const struct event *event)
{
	return event->kind == EVENT_SPTE_CHANGED &&
	       spte_is_frozen(replay->bits, event->u.changed.new_spte);
}

/*
 * Is the walk between two entries before it makes the event `ours`? Until 7.1 the lines of a
 * removed table (the table's own, then its entries, which become frozen) follow the line of
 * the entry that linked it; from 7.2 on they precede it.
 */
static bool is_between_entries(const struct replay *replay, const struct event *ours)
{
	if (replay->bits->removed_table_first)
		return !replay->walk.inside_table;
	return ours->kind == EVENT_SPTE_CHANGED && !is_removed_entry(replay, ours);
}

/* Takes the flush of a yield, which the simulator does not make, before the event `ours`. */
static void take_yield(struct replay *replay, const struct event *ours)
{
	const struct event *theirs = replay_peek(replay);

	if (!replay->walk.on || !theirs || theirs->kind != EVENT_FLUSH ||
	    ours->kind == EVENT_FLUSH || !replay->walk.owes_flush ||
	    !is_between_entries(replay, ours))
		return;
	replay_take(replay);
	replay->walk.owes_flush = false;
	replay->walk.yields++;
}

static void follow_walk(struct replay *replay, const struct event *ours)
{
	struct yielding_walk *walk = &replay->walk;

	walk->owes_flush =
		ours->kind == EVENT_SPTE_CHANGED || (walk->owes_flush && ours->kind != EVENT_FLUSH);
	walk->inside_table = ours->kind == EVENT_ZAP_PAGE || is_removed_entry(replay, ours);
}

void replay_meet(struct replay *replay, const struct event *ours)
{
	const struct event *theirs;

	if (replay->over || !replay->recorded[ours->kind])
		return;
	if (replay->stretch) {
		replay->meet_in_stretch(replay, ours);
		return;
	}
	take_yield(replay, ours);
	follow_walk(replay, ours);
	theirs = replay_peek(replay);
	if (!theirs) {
		replay_lose(replay, replay->trace->line_count,
			    "the trace has ended, the simulator has %s", event_name(ours->kind));
	} else if (theirs->kind != ours->kind) {
		lose_place(replay, theirs, ours);
	} else {
		compare_events(&replay->comparison, theirs, ours);
		replay_take(replay);
		if (replay->comparison.difference_count >= DIFFERENCES_MAX)
			end_replay(replay, ENDING_DIFFERS);
	}
}

void replay_init(struct replay *replay, const struct trace *trace, const struct settings *settings,
		 bool check)
{
	memset(replay, 0, sizeof(*replay));
	replay->trace = trace;
	replay->settings = *settings;
	replay->check = check;
	replay->nx_huge_pages = settings->value[SETTING_NX_HUGE_PAGES] != 0;
	replay->bits =
		spte_bits(replay_is_ept(replay), kernel_has_layout_7_2(replay_baseline(replay)));
	replay->comparison.names = &replay->names;
}

void replay_free(struct replay *replay)
{
	replay->over = true; /* the VM's last events are no part of the replay */
	tdp_vm_destroy(replay->vm);
	tdp_host_destroy(replay->host);
	ranges_free(&replay->ranges);
	names_free(&replay->names);
}
