/* What players call. See stress.h. */
#include "stress/stage/stress.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "stress/stage/random.h"

#define VISITS_BETWEEN_YIELDS 64
#define YIELDING_PAUSES	      66

#define EPT_READ_OF_LINEAR_ADDRESS 0x181
#define NPT_READ_OF_FINAL_PAGE	   (1ULL << 32 | 4)

uint64_t player_random(struct player *player)
{
	return random_next(&player->random);
}

/*
 * With more players than CPUs, a player that never waits runs until its time slice ends,
 * milliseconds later, while others wait for it. So many pauses make the native engine yield
 * the CPU.
 */
static void yield_cpu(void)
{
	unsigned int rounds = 0;

	for (unsigned int i = 0; i < YIELDING_PAUSES; i++)
		tdp_pause(&rounds);
}

static bool time_is_left(const struct stress *stress)
{
	return !tdp_flag_raised(stress->stop) && tdp_clock_now() < stress->deadline;
}

bool player_goes_on(struct player *player)
{
	player->rounds++;
	if (player->vcpu && player_chance(player, VISITS_BETWEEN_YIELDS))
		yield_cpu();
	return time_is_left(player->stress);
}

void player_delay(struct player *player, unsigned int most)
{
	uint64_t count = player_below(player, most + 1);

	while (count--) {
		unsigned int rounds = 0;

		tdp_pause(&rounds);
	}
	if (player_chance(player, 4))
		yield_cpu();
}

int player_fail(struct player *player, const char *format, ...)
{
	char sentence[400];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	u32_add_relaxed(&player->stress->failures, 1);
	tdp_flag_raise(player->stress->stop);
	fprintf(stderr, "%s: %s %u: %s\n", player->stress->scenario->name, player->name,
		player->number, sentence);
	return -EPROTO;
}

/*
 * Freed tables wait for a reader that has lost its CPU, so a scenario with few table frames
 * may have none for a while. That is no error: retry until the time is up.
 */
static int access_until_memory(struct player *player, const struct tdp_access_request *request,
			       struct tdp_access_result *result)
{
	unsigned int rounds = 0;
	int err;

	while ((err = tdp_vcpu_access(player->vcpu, request, result)) == -ENOMEM) {
		if (!time_is_left(player->stress))
			return PLAYER_TIME_UP;
		tdp_pause(&rounds);
	}
	return err;
}

int player_access(struct player *player, uint64_t gpa, enum tdp_access access, void *data,
		  size_t bytes, struct tdp_access_result *result)
{
	struct tdp_access_request request = {
		.address = gpa, .access = access, .data = data, .bytes = bytes};
	int err;

	*result = (struct tdp_access_result){0};
	err = access_until_memory(player, &request, result);
	if (err == PLAYER_TIME_UP)
		return err;
	if (err)
		return player_fail(player, "gpa 0x%llx: an access ended with %d",
				   (unsigned long long)gpa, err);
	if (result->outcome == TDP_ACCESS_REFUSED || result->outcome == TDP_ACCESS_GUEST_FAULT)
		return player_fail(player, "gpa 0x%llx: outcome %d, error %d",
				   (unsigned long long)gpa, (int)result->outcome, result->error);
	return 0;
}

int player_fault(struct player *player, tdp_gfn_t gfn)
{
	struct tdp_fault fault = {
		.gpa = gfn.n << TDP_PAGE_SHIFT,
		.error_code = player->stress->format == TDP_EPT ? EPT_READ_OF_LINEAR_ADDRESS
								: NPT_READ_OF_FINAL_PAGE,
	};
	enum tdp_fault_result result = TDP_FAULT_RETRY;
	int err = tdp_vcpu_load_root(player->vcpu);

	if (!err)
		err = tdp_vcpu_fault(player->vcpu, &fault, &result);
	if (err == -ENOMEM) /* as above */
		return 0;
	if (err || result == TDP_FAULT_EMULATE || result == TDP_FAULT_WRITE_PROTECTED)
		return player_fail(player, "gfn 0x%llx: a fault ended with %d, %d",
				   (unsigned long long)gfn.n, (int)result, err);
	return 0;
}
