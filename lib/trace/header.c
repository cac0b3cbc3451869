/*
 * The header lines of a captured trace.
 */
#include "trace/header.h"

#include "trace/scan.h"

struct header header_unknown(void)
{
	return (struct header){.major = NOT_STATED,
			       .minor = NOT_STATED,
			       .format = NOT_STATED,
			       .levels = NOT_STATED,
			       .four_access = NOT_STATED,
			       .ad = NOT_STATED,
			       .pml = NOT_STATED,
			       .eager_split = NOT_STATED,
			       .nx_huge_pages = NOT_STATED,
			       .mmio_caching = NOT_STATED};
}

static void read_kernel(struct header *header, struct scan scan)
{
	uint64_t major = scan_dec(&scan), minor;

	scan_word(&scan, ".");
	minor = scan_dec(&scan);
	if (scan.failed || major > 1000 || minor > 1000)
		return;
	header->major = (int)major;
	header->minor = (int)minor;
}

static void read_format(struct header *header, struct scan scan, enum stated_format format)
{
	if (scan_try(&scan, "Y"))
		header->format = format;
}

static void read_switch(int *field, struct scan scan)
{
	if (scan_try(&scan, "Y"))
		*field = 1;
	else if (scan_try(&scan, "N") || scan_try(&scan, "never"))
		*field = 0;
}

void header_read_line(struct header *header, const char *line, size_t length)
{
	struct scan scan = scan_text(line, length);

	if (scan_try(&scan, "kernel "))
		read_kernel(header, scan);
	else if (scan_try(&scan, "kvm.eager_page_split="))
		read_switch(&header->eager_split, scan);
	else if (scan_try(&scan, "kvm.nx_huge_pages="))
		read_switch(&header->nx_huge_pages, scan);
	else if (scan_try(&scan, "kvm.mmio_caching="))
		read_switch(&header->mmio_caching, scan);
	else if (scan_try(&scan, "kvm_amd.npt="))
		read_format(header, scan, STATED_NPT);
	else if (scan_try(&scan, "kvm_intel.ept="))
		read_format(header, scan, STATED_EPT);
	else if (scan_try(&scan, "kvm_intel.eptad="))
		read_switch(&header->ad, scan);
	else if (scan_try(&scan, "kvm_intel.pml="))
		read_switch(&header->pml, scan);
	/* NPT always has A/D flags, and AMD has no page-modification log (APM vol. 2, 15.25.5). */
	if (header->format == STATED_NPT) {
		header->ad = 1;
		header->pml = 0;
	}
}
