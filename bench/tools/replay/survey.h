/*
 * What a look over the whole trace says of the machine, before the replay begins. A VM's
 * configuration is fixed when it is made, and a trace shows parts of it only later.
 */
#ifndef REPLAY_SURVEY_H
#define REPLAY_SURVEY_H

#include "trace/trace.h"

/*
 * Marks the kinds of events that the trace records. Tracepoints are switched on by the
 * group, those of the dirty ring with the probes. So a trace with one event of a group has
 * the whole group, and a missing event of that group is a difference; a group without any
 * event was not recorded.
 */
void survey_recorded(const struct trace *trace, bool recorded[EVENT_KINDS]);

/*
 * Did the probe on handle_ept_misconfig() never fire? Where the compiler split the function
 * it does not. Such a trace has the lines of accesses to MMIO SPTEs without it.
 */
bool survey_lacks_misconfig(const struct trace *trace, bool ept);

/*
 * Is the CPU one of the emulators that the captures come from? They report two faults
 * differently from hardware. QEMU TCG (target/i386/tcg/sysemu/excp_helper.c) reports a
 * reserved bit without P, where an NPT machine reports both (APM vol. 2, 15.25.6). Bochs
 * (cpu/paging.cc) reports an access to a guest table as a write, where an EPT machine with
 * A/D flags reports read and write (SDM vol. 3, 29.3.3.2).
 *
 * Two faults as only hardware reports them, and none as only the emulators do, mean
 * hardware.
 */
bool survey_emulated_cpu(const struct trace *trace, bool ept);

/* The first frame number above all frames that the host answered with. */
uint64_t survey_pfn_limit(const struct trace *trace);
/* How many vCPUs run. */
unsigned int survey_vcpus(const struct trace *trace);
/* The argument of a capability that the trace enables, or 0. */
uint64_t survey_capability(const struct trace *trace, uint64_t capability);
/* Does the trace disable the quirk that a slot's deletion zaps everything? */
bool survey_disables_slot_zap_all(const struct trace *trace);
/* The first ratio of NX recovery that the trace writes, or 0. A VM here has one ratio. */
unsigned int survey_recovery_ratio(const struct trace *trace);

#endif
