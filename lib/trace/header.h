/*
 * What the first lines of a captured trace state about the kernel and the machine:
 * its version and the parameters of the kvm modules.
 */
#ifndef TRACE_HEADER_H
#define TRACE_HEADER_H

#include <stddef.h>

#define NOT_STATED (-1)

enum stated_format { STATED_NPT, STATED_EPT };

/* Each field is NOT_STATED or what the header says; a switch is 0 or 1. */
struct header {
	int major, minor; /* of the kernel */
	int format;	  /* enum stated_format */
	int levels;	  /* 4 or 5: no header states it, trace_read() takes it from the entries */
	int four_access; /* four access bits, as from 7.2 on, or three; likewise from the entries */
	int ad, pml, eager_split, nx_huge_pages, mmio_caching;
};

struct header header_unknown(void);

/* Takes one header line ("kvm.tdp_mmu=Y", "kernel 6.1.0-56-amd64"). */
void header_read_line(struct header *header, const char *line, size_t length);

#endif
