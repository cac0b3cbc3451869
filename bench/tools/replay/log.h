/*
 * The calls around the dirty log: reading and clearing a slot's bitmap, reading the ring of
 * a vCPU as the program under KVM does, recycling what was read.
 */
#ifndef REPLAY_LOG_H
#define REPLAY_LOG_H

#include "replay.h"

#include <tdpsim/vm.h>

/* Sets what the trace enables, all of which is fixed when a VM is made. */
void log_configure(struct replay *replay, struct tdp_vm_config *config, struct tdp_policy *policy);
void log_read(struct replay *replay, const struct event *event);
void log_clear(struct replay *replay, const struct event *event);
void log_read_ring(struct replay *replay, const struct event *event);
void log_reset_rings(struct replay *replay);

#endif
