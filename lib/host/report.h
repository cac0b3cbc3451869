/* Reasons in words for an error that is about to be returned: the report callback of a host's
 * config. */
#ifndef TDPSIM_HOST_REPORT_H
#define TDPSIM_HOST_REPORT_H

#include "host/host.h"

/* Formats a reason, printf-like, and passes it to the report callback, if there is one. */
__attribute__((format(printf, 2, 3))) void host_report(const struct tdp_host *host,
						       const char *format, ...);

/* The same for a config from which no host has been made yet. */
__attribute__((format(printf, 2, 3))) void config_report(const struct tdp_host_config *config,
							 const char *format, ...);

/*
 * Reads a public config that may be shorter or longer than this library's (sized_read(),
 * platform/sized.h), and reports one that is refused by the name `what`. -EINVAL.
 */
int host_read_sized(const struct tdp_host *host, const char *what, void *own, size_t bytes,
		    size_t first, const void *given);

#endif
