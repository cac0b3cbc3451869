#include "common/machine.h"

#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/size.h"
#include "common/twin.h"

static void describe(hwloc_topology_t topology, char *text, size_t size)
{
	hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
	hwloc_obj_t machine = hwloc_get_root_obj(topology);
	const char *model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
	int packages = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE);
	int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
	int cpus = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
	char memory[SIZE_TEXT];

	snprintf(text, size, "%s%s%d package%s, %d core%s, %d CPU%s, %s", model ? model : "",
		 model ? ", " : "", packages, packages == 1 ? "" : "s", cores,
		 cores == 1 ? "" : "s", cpus, cpus == 1 ? "" : "s",
		 size_about(machine->total_memory, memory));
}

void machine_describe(char *text, size_t size)
{
	hwloc_topology_t topology;

	if (twin_clock() == GUEST_CLOCK_VIRTUAL) {
		snprintf(text, size, "a machine where every event takes 1 ns");
		return;
	}
	snprintf(text, size, "unknown");
	/* Without /sys, hwloc uses what it finds; its warnings do not help. */
	setenv("HWLOC_HIDE_ERRORS", "2", 0);
	if (hwloc_topology_init(&topology))
		return;
	if (hwloc_topology_load(topology) == 0)
		describe(topology, text, size);
	hwloc_topology_destroy(topology);
}

uint64_t machine_memory_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);

	return pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes : 0;
}
