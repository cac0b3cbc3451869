/* Reasons in words for the host's report callback. See report.h. */
#include "host/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "platform/sized.h"

static void report(const struct tdp_host_config *config, const char *format, va_list arguments)
{
	char sentence[512];

	if (!config->report)
		return;
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	config->report(config->report_context, sentence);
}

void config_report(const struct tdp_host_config *config, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(config, format, arguments);
	va_end(arguments);
}

void host_report(const struct tdp_host *host, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(&host->config, format, arguments);
	va_end(arguments);
}

int host_read_sized(const struct tdp_host *host, const char *what, void *own, size_t bytes,
		    size_t first, const void *given)
{
	int err = sized_read(own, bytes, first, given);

	if (err)
		host_report(host, "%s: size is %zu: " SIZED_RULE, what, *(const size_t *)given,
			    sizeof(size_t), SIZED_MOST, bytes);
	return err;
}
