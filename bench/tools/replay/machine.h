/*
 * The simulated machine: its host, the VM and the vCPUs, made as the trace's machine was.
 */
#ifndef REPLAY_MACHINE_H
#define REPLAY_MACHINE_H

#include "replay.h"

/* PHASE create vm. */
void machine_create_vm(struct replay *replay, const struct event *event);
/* The program under KVM makes vCPUs with the VM or, where it says 0, before they warm up. */
void machine_create_late_vcpus(struct replay *replay);
/* With the checker on, adds what it reports of the VM as it is now. */
void machine_check_vm(struct replay *replay);
void machine_destroy_vm(struct replay *replay);

#endif
