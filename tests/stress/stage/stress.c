/* The stage of a stress scenario. See stress.h. */
#include "stress/stage/stress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress/stage/random.h"
#include "stress/stage/round.h"

#define GIB		    ((uint64_t)1 << 30)
#define MIB		    ((uint64_t)1 << 20)
#define MILLISECOND	    1000000ULL
#define SLICES		    STRESS_STAGES
#define FIRST_HVA	    ((uint64_t)1 << 46) /* of scripted memory; anonymous memory lies below */
#define ACT_NS_PER_CHECK_NS 4
#define CHECK_WAIT	    300 /* pauses between two checks */

/*
 * A run is divided into slices. Each has a new VM, so that any run covers every lock, both
 * formats, both values of the policies below, and teardown. Options of the command line
 * override a variant.
 */
static const struct variant {
	enum tdp_lock_policy lock;
	enum tdp_format format;
	unsigned int levels;
	enum tdp_choice slot_zap_all;
	enum tdp_huge_fault_policy huge_fault;
	enum tdp_stats_policy stats;
	enum tdp_range_flush_policy range_flush;
	enum tdp_choice lockless_age;
	enum tdp_choice nx_recovery_shared;
} variants[SLICES] = {
	{TDP_LOCK_SHARED, TDP_NPT, 4, TDP_ON, TDP_HUGE_FAULT_SPLIT, TDP_STATS_SHARED,
	 TDP_RANGE_FLUSH_FULL, TDP_ON, TDP_ON},
	{TDP_LOCK_PERCPU, TDP_EPT, 5, TDP_OFF, TDP_HUGE_FAULT_ZAP, TDP_STATS_PERCPU,
	 TDP_RANGE_FLUSH_EXACT, TDP_OFF, TDP_ON},
	{TDP_LOCK_EXCLUSIVE, TDP_NPT, 4, TDP_OFF, TDP_HUGE_FAULT_SPLIT, TDP_STATS_PERCPU,
	 TDP_RANGE_FLUSH_FULL, TDP_ON, TDP_ON},
	{TDP_LOCK_SHARED, TDP_EPT, 4, TDP_OFF, TDP_HUGE_FAULT_ZAP, TDP_STATS_SHARED,
	 TDP_RANGE_FLUSH_EXACT, TDP_OFF, TDP_OFF},
	{TDP_LOCK_PERCPU, TDP_NPT, 5, TDP_ON, TDP_HUGE_FAULT_ZAP, TDP_STATS_SHARED,
	 TDP_RANGE_FLUSH_FULL, TDP_OFF, TDP_OFF},
	{TDP_LOCK_SHARED, TDP_EPT, 4, TDP_OFF, TDP_HUGE_FAULT_SPLIT, TDP_STATS_PERCPU,
	 TDP_RANGE_FLUSH_EXACT, TDP_ON, TDP_ON},
};

static const char *const lock_names[] = {"baseline", "exclusive", "shared", "percpu"};

static uint64_t random_of(uint64_t seed)
{
	return random_next(&seed);
}

static int play(struct tdp_actor *self, void *arg)
{
	struct player *player = arg;

	(void)self;
	return player->stress->rounds ? round_play(player) : player->body(player);
}

int stress_cast(struct stress *stress, const char *name, player_body *body, void *arg,
		unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (stress->player_count == STRESS_PLAYERS_MAX)
			return -ENOSPC;
		stress->players[stress->player_count] = (struct player){
			.stress = stress,
			.name = name,
			.body = body,
			.arg = arg,
			.number = i,
			.random = stress->seed * 1000003 + stress->player_count,
		};
		stress->player_count++;
	}
	return 0;
}

int stress_cast_vcpus(struct stress *stress, player_body *body, void *arg)
{
	unsigned int first = stress->player_count;
	int err = stress_cast(stress, "vcpu", body, arg, stress->vcpu_count);

	for (unsigned int i = 0; !err && i < stress->vcpu_count; i++)
		stress->players[first + i].vcpu = stress->vcpus[i];
	return err;
}

int stress_cast_vcpu(struct stress *stress, const char *name, player_body *body, void *arg)
{
	unsigned int taken = 0;
	int err;

	for (unsigned int i = 0; i < stress->player_count; i++)
		taken += stress->players[i].vcpu != NULL;
	if (taken == stress->vcpu_count)
		return -ENOSPC;
	err = stress_cast(stress, name, body, arg, 1);
	if (!err)
		stress->players[stress->player_count - 1].vcpu = stress->vcpus[taken];
	return err;
}

/*
 * A check stops all players; an instrumented one takes so long that they would hardly act. A run of
 * one schedule has few steps, so it is checked as often as they allow.
 */
static void let_others_act(struct player *player, uint64_t check_ns)
{
	uint64_t end = tdp_clock_now() + ACT_NS_PER_CHECK_NS * check_ns;
	unsigned int rounds = 0;

	player_delay(player, CHECK_WAIT);
	while (!player->stress->once && tdp_clock_now() < end && player_goes_on(player))
		tdp_pause(&rounds);
}

static int check_again(struct player *player)
{
	while (player_goes_on(player)) {
		uint64_t start = tdp_clock_now();
		uint64_t violations = stress_inspect(player->stress);

		if (violations)
			return player_fail(player, "%llu violations",
					   (unsigned long long)violations);
		let_others_act(player, tdp_clock_now() - start);
	}
	return 0;
}

int stress_cast_checker(struct stress *stress)
{
	return stress_cast(stress, "checker", check_again, NULL, 1);
}

void stress_defer(struct stress *stress, void (*end)(void *thing), void *thing)
{
	if (stress->cleanup_count == STRESS_CLEANUPS_MAX)
		abort();
	stress->cleanups[stress->cleanup_count++] = (struct stress_cleanup){end, thing};
}

void *stress_allocate(struct stress *stress, size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (memory)
		stress_defer(stress, free, memory);
	return memory;
}

static void end_anon(void *anon)
{
	tdp_anon_destroy(anon);
}

struct tdp_anon *stress_anon(struct stress *stress, uint64_t bytes, enum tdp_level page)
{
	struct tdp_anon_config config = {.bytes = bytes, .page = page};
	struct tdp_anon *anon;

	if (tdp_anon_create(stress->host, &config, &anon))
		return NULL;
	stress_defer(stress, end_anon, anon);
	return anon;
}

int stress_slot(struct stress *stress, unsigned int address_space, unsigned int id, tdp_gfn_t gfn,
		uint64_t pages, const struct tdp_backing *backing, bool read_only)
{
	return tdp_vm_set_memslot(stress->vm, &(struct tdp_memslot){
						      .address_space = address_space,
						      .id = id,
						      .gfn = gfn,
						      .pages = pages,
						      .backing = backing,
						      .read_only = read_only,
					      });
}

static void print_report(void *context, const char *sentence)
{
	(void)context;
	fprintf(stderr, "report: %s\n", sentence);
}

static int build_host(struct stress *stress)
{
	const struct scenario *scenario = stress->scenario;
	struct tdp_host_config config = {
		.memory_bytes = 16 * GIB,
		.maxphyaddr = scenario->maxphyaddr,
		.carveout_bytes = scenario->carveout_bytes ? scenario->carveout_bytes : GIB,
		.table_bytes = scenario->table_bytes ? scenario->table_bytes : 64 * MIB,
		.check = true,
		.report = print_report,
	};

	return tdp_host_create(&config, &stress->host);
}

static int build_vm(struct stress *stress, const struct stress_options *options,
		    const struct variant *variant)
{
	const struct scenario *scenario = stress->scenario;
	struct tdp_policy *policy = &stress->policy;
	struct tdp_vm_config config = {
		.format = variant->format,
		.levels = variant->levels,
		.no_ad = scenario->no_ad,
		.baseline = options->baseline,
		.check = true,
		.policy = &stress->policy,
	};
	int err;

	*policy = (struct tdp_policy){.lock = variant->lock, .stats = variant->stats};
	/* A baseline that was asked for keeps its own values. */
	if (options->baseline == TDP_BASELINE_LATEST) {
		policy->slot_zap_all = variant->slot_zap_all;
		policy->range_flush = variant->range_flush;
		policy->lockless_age = variant->lockless_age;
		policy->huge_fault =
			scenario->huge_fault ? scenario->huge_fault : variant->huge_fault;
		policy->nx_recovery_shared = variant->nx_recovery_shared;
	}
	if (scenario->nx_ratio) {
		policy->nx_huge_pages = TDP_ON;
		config.nx_recovery_ratio = scenario->nx_ratio;
	}
	if (options->lock)
		policy->lock = options->lock;
	if (options->format >= 0)
		config.format = (enum tdp_format)options->format;
	if (scenario->ept_only)
		config.format = TDP_EPT;
	stress->format = config.format;
	if (scenario->configure)
		scenario->configure(&config, policy, random_of(stress->seed));
	stress->config = config;
	err = tdp_vm_create(stress->host, &config, &stress->vm);
	if (!err)
		*policy = *tdp_vm_policy(stress->vm);
	return err;
}

static int build_vcpus(struct stress *stress, const struct stress_options *options)
{
	const struct scenario *scenario = stress->scenario;
	/* Each vCPU of a small scenario has its own part, so their number is fixed. */
	unsigned int count =
		options->vcpus && !scenario->prepare ? options->vcpus : scenario->vcpus;

	for (unsigned int i = 0; i < count && i < STRESS_VCPUS_MAX; i++) {
		int err = tdp_vcpu_create(stress->vm, NULL, &stress->vcpus[i]);

		if (err)
			return err;
		stress->vcpu_count++;
	}
	return 0;
}

static int build(struct stress *stress, const struct stress_options *options,
		 const struct variant *variant)
{
	int err = tdp_flag_create(&stress->stop);

	if (!err)
		err = build_host(stress);
	if (!err)
		err = build_vm(stress, options, variant);
	if (!err)
		err = build_vcpus(stress, options);
	if (!err)
		err = stress->scenario->set_up(stress);
	return err;
}

static void dismantle(struct stress *stress)
{
	struct tdp_host_memory usage = {0};

	tdp_vm_destroy(stress->vm);
	while (stress->cleanup_count) {
		struct stress_cleanup *last = &stress->cleanups[--stress->cleanup_count];

		last->end(last->thing);
	}
	if (stress->host)
		tdp_host_usage(stress->host, &usage);
	if (usage.table_frames || usage.data_frames) {
		fprintf(stderr, "%s: leaked %llu table frames, %llu data frames\n",
			stress->scenario->name, (unsigned long long)usage.table_frames,
			(unsigned long long)usage.data_frames);
		u32_add_relaxed(&stress->failures, 1);
	}
	tdp_host_destroy(stress->host);
	tdp_barrier_destroy(stress->rounds);
	tdp_flag_destroy(stress->stop);
}

static int perform(struct stress *stress)
{
	struct tdp_actor_config cast[STRESS_PLAYERS_MAX];
	int results[STRESS_PLAYERS_MAX] = {0}, err;

	for (unsigned int i = 0; i < stress->player_count; i++)
		cast[i] = (struct tdp_actor_config){
			.name = stress->players[i].name,
			.body = play,
			.arg = &stress->players[i],
		};
	err = round_begin(stress);
	if (!err)
		err = tdp_run(NULL, cast, stress->player_count, results);
	for (unsigned int i = 0; i < stress->player_count; i++)
		if (results[i] == -EDEADLK)
			return -EDEADLK;
	return err ? err : round_end(stress);
}

static int judge(struct stress *stress)
{
	uint64_t violations = stress_inspect(stress);

	if (violations) {
		fprintf(stderr, "%s: %llu violations at the end\n", stress->scenario->name,
			(unsigned long long)violations);
		return -EPROTO;
	}
	return stress->scenario->verify_end ? stress->scenario->verify_end(stress) : 0;
}

static void print_slice(struct stress *stress)
{
	struct tdp_stats stats;
	uint64_t rounds = 0;

	for (unsigned int i = 0; i < stress->player_count; i++)
		rounds += stress->players[i].rounds;
	tdp_vm_stats(stress->vm, &stats);
	printf("%s: seed %llu, %s, %s: %u players, %llu rounds, %llu accesses, %llu fixed, "
	       "%llu retries, %llu flushes\n",
	       stress->scenario->name, (unsigned long long)stress->seed,
	       lock_names[stress->policy.lock], stress->format == TDP_EPT ? "ept" : "npt",
	       stress->player_count, (unsigned long long)rounds, (unsigned long long)stats.accesses,
	       (unsigned long long)stats.pf_fixed, (unsigned long long)stats.retries,
	       (unsigned long long)stats.remote_tlb_flush_requests);
	fflush(stdout);
}

static int run_slice(const struct scenario *scenario, const struct stress_options *options,
		     const struct variant *variant, uint64_t seed, uint64_t nanoseconds, bool brief)
{
	struct stress stress = {
		.scenario = scenario, .seed = seed, .next_hva = FIRST_HVA, .once = brief};
	int err = build(&stress, options, variant);

	if (err)
		fprintf(stderr, "%s: cannot be set up: %s\n", scenario->name, strerror(-err));
	stress.deadline = tdp_clock_now() + nanoseconds;
	if (!err)
		err = perform(&stress);
	if (err == -EDEADLK)
		return 1; /* the deadlocked players still hold what teardown needs */
	if (!err)
		err = judge(&stress);
	/* In so short a run, what the scenario is about may not have happened. */
	if (brief && err == -ENODATA)
		err = 0;
	if (stress.vm)
		print_slice(&stress);
	dismantle(&stress);
	return err || u32_load_relaxed(&stress.failures) ? 1 : 0;
}

int stress_run(const struct scenario *scenario, const struct stress_options *options)
{
	uint64_t seconds = options->milliseconds / 1000, state = options->seed, each;
	unsigned int slices = seconds > 2 * SLICES ? 2 * SLICES : SLICES;

	each = options->milliseconds * MILLISECOND / slices;
	for (unsigned int i = 0; i < slices; i++) {
		int err = run_slice(scenario, options, &variants[i % SLICES], random_next(&state),
				    each, false);

		if (err)
			return err;
	}
	return 0;
}

int stress_run_once(const struct scenario *scenario, const struct stress_options *options,
		    uint64_t nanoseconds)
{
	const struct variant *variant = &variants[(options->seed + SLICES - 1) % SLICES];
	uint64_t state = options->seed;

	return run_slice(scenario, options, variant, random_next(&state), nanoseconds, true);
}
