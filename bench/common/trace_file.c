#include "common/trace_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <tdpsim/version.h>

#include "common/status.h"

int trace_file_open(struct trace_file *trace, const char *path)
{
	*trace = (struct trace_file){.path = path, .file = fopen(path, "we")};
	if (!trace->file) {
		int err = -errno;

		complain("--trace %s: %s", path, strerror(-err));
		return err;
	}
	fprintf(trace->file,
		"# tracer: nop\n"
		"#\n"
		"# libtdpsim %s; CPU is the vCPU, TIMESTAMP is in nanoseconds\n"
		"#\n"
		"#           TASK-PID     CPU#     TIMESTAMP  FUNCTION\n"
		"#              | |         |         |         |\n",
		TDP_VERSION);
	return 0;
}

int trace_file_close(struct trace_file *trace)
{
	bool failed = ferror(trace->file);
	int err;

	errno = 0;
	failed |= fclose(trace->file) != 0;
	if (!failed)
		return 0;
	err = errno ? -errno : -EIO;
	complain("--trace %s: %s", trace->path, strerror(-err));
	return err;
}

/* As trace_print_context() in Linux kernel/trace/trace_output.c, with a plain counter as time. */
void trace_file_sink(void *context, const struct tdp_trace_event *event)
{
	struct trace_file *trace = context;
	int cpu = event->vcpu < 0 ? 0 : event->vcpu;
	char text[512];

	tdp_trace_text(event, text, sizeof(text));
	fprintf(trace->file, "%16s-%-7d [%03d]  %12" PRIu64 ": %s: %s\n",
		event->vcpu < 0 ? "host" : "vcpu", cpu, cpu, event->time,
		tdp_trace_name(event->kind), text);
}
