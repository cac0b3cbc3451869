#ifndef TDPSIM_TDPSIM_H
#define TDPSIM_TDPSIM_H

#include <tdpsim/check.h>
#include <tdpsim/dirty.h>
#include <tdpsim/histogram.h>
#include <tdpsim/host.h>
#include <tdpsim/iter.h>
#include <tdpsim/memslot.h>
#include <tdpsim/mmu.h>
#include <tdpsim/nx.h>
#include <tdpsim/policy.h>
#include <tdpsim/run.h>
#include <tdpsim/stats.h>
#include <tdpsim/trace.h>
#include <tdpsim/types.h>
#include <tdpsim/vcpu.h>
#include <tdpsim/version.h>
#include <tdpsim/vm.h>
#include <tdpsim/walk.h>

#endif
