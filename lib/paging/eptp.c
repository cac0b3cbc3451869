/*
 * The checks of VM entry on the EPT pointer (SDM vol. 3, 25.6.11 and 27.2.1.1). A bad pointer is a
 * failed entry, never a misconfiguration.
 */
#include <tdpsim/walk.h>

#include <errno.h>

#define BIT(n) (1ULL << (n))

/* IA32_VMX_EPT_VPID_CAP (SDM vol. 3, A.10). */
#define CAPABILITY_4_LEVELS	BIT(6)
#define CAPABILITY_5_LEVELS	BIT(7)
#define CAPABILITY_UC		BIT(8)
#define CAPABILITY_WB		BIT(14)
#define CAPABILITY_AD		BIT(21)
#define CAPABILITY_SHADOW_STACK BIT(23)

#define EPTP_AD		  BIT(6)
#define EPTP_SHADOW_STACK BIT(7)
#define EPTP_RESERVED	  (BIT(8) | BIT(9) | BIT(10) | BIT(11))

static bool memory_type_allowed(uint64_t eptp, uint64_t capabilities)
{
	switch (eptp & 7) {
	case 0:
		return capabilities & CAPABILITY_UC;
	case 6:
		return capabilities & CAPABILITY_WB;
	default:
		return false;
	}
}

static bool length_allowed(uint64_t eptp, uint64_t capabilities)
{
	switch (eptp >> 3 & 7) {
	case 3:
		return capabilities & CAPABILITY_4_LEVELS;
	case 4:
		return capabilities & CAPABILITY_5_LEVELS;
	default:
		return false;
	}
}

int tdp_eptp_check(uint64_t eptp, uint64_t capabilities, unsigned int maxphyaddr)
{
	if (maxphyaddr < 36 || maxphyaddr > 52)
		return -EINVAL;
	if (!memory_type_allowed(eptp, capabilities) || !length_allowed(eptp, capabilities))
		return -EINVAL;
	if (eptp & EPTP_AD && !(capabilities & CAPABILITY_AD))
		return -EINVAL;
	if (eptp & EPTP_SHADOW_STACK && !(capabilities & CAPABILITY_SHADOW_STACK))
		return -EINVAL;
	if (eptp & EPTP_RESERVED || eptp >> maxphyaddr)
		return -EINVAL;
	return 0;
}
