/*
 * The stage of a stress scenario: a host, a VM, vCPUs and players that work against each
 * other until the time is up or one of them finds an error.
 *
 * A scenario is a file of tests/stress/ that defines a constant of type struct scenario: who
 * plays, and what must hold besides the invariants of the checker.
 */
#ifndef TESTS_STRESS_STAGE_STRESS_H
#define TESTS_STRESS_STAGE_STRESS_H

#include "platform/atomic.h"
#include "stress/stage/player.h"

#define STRESS_VCPUS_MAX    64
#define STRESS_PLAYERS_MAX  96
#define STRESS_CLEANUPS_MAX 48

/* From the command line; 0 (TDP_BASELINE_LATEST for the baseline) where it says nothing. */
struct stress_options {
	uint64_t milliseconds;
	uint64_t seed;
	unsigned int vcpus;
	enum tdp_baseline baseline;
	enum tdp_lock_policy lock;
	int format; /* enum tdp_format, or -1 */
};

struct scenario {
	const char *name;
	const char *what;   /* one line for --list */
	unsigned int vcpus; /* unless the command line says */
	/* Under bench/tools/explore, the steps after which the players end; 0: its default. */
	uint64_t steps;
	bool ept_only, no_ad;	 /* no_ad: a CPU without accessed and dirty flags */
	uint64_t carveout_bytes; /* for scripted memory; 0: 1 GiB */
	unsigned int maxphyaddr; /* a small one makes the zap of a root short; 0: 52 */
	uint64_t table_bytes;	 /* few table frames are reused soon; 0: 64 MiB */
	enum tdp_huge_fault_policy huge_fault; /* 0: the stages differ */
	/* With NX huge pages, the recovery ratio; 0: no NX huge pages. */
	unsigned int nx_ratio;
	/* Changes the config of the VM and its policies, by a random number; may be NULL. */
	void (*configure)(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random);
	/* Creates the slots and the players. 0 or a negative errno. */
	int (*set_up)(struct stress *stress);
	/*
	 * Verifies the result after the last player has ended; may be NULL. -ENODATA: what the
	 * scenario is about did not happen, which only a run of one schedule may say.
	 */
	int (*verify_end)(struct stress *stress);
	/*
	 * A small scenario (round.h) has `prepare`, and may have `verify_round`. The first player
	 * calls both while no player acts: `prepare` before a round makes the state that the round
	 * starts from, `verify_round` checks the result.
	 */
	int (*prepare)(struct player *player);
	int (*verify_round)(struct player *player);
};

/* Something that a scenario allocated, and how to free it after the VM has ended. */
struct stress_cleanup {
	void (*end)(void *thing);
	void *thing;
};

struct stress {
	const struct scenario *scenario;
	struct tdp_host *host;
	struct tdp_vm *vm;
	struct tdp_vm_config config; /* as requested */
	struct tdp_policy policy;    /* as used */
	enum tdp_format format;
	unsigned int vcpu_count;
	struct tdp_vcpu *vcpus[STRESS_VCPUS_MAX];
	unsigned int player_count;
	struct player players[STRESS_PLAYERS_MAX];
	unsigned int cleanup_count;
	struct stress_cleanup cleanups[STRESS_CLEANUPS_MAX];
	uint64_t carveout_used; /* bytes of the carve-out in use as scripted memory */
	uint64_t next_hva;	/* for the next scripted memory */
	uint64_t next_page;	/* id of the next page of stamped memory */
	uint64_t seed;
	uint64_t deadline;
	struct tdp_flag *stop;
	atomic_u32 failures; /* of players and checks; relaxed, read after the players ended */
	bool once;	     /* the players of a small scenario act once, without a barrier */
	struct tdp_barrier *rounds; /* otherwise they meet here before and after a round */
	/*
	 * There are no more rounds. The first player stores it (release) before it reaches the
	 * barrier, the others load it (acquire) after the barrier.
	 */
	atomic_u32 over;
	void *world; /* the scenario's own state */
};

/* Runs a scenario for options->milliseconds. 0, or 1 if an error was found. */
int stress_run(const struct scenario *scenario, const struct stress_options *options);
/*
 * Runs one stage of a scenario for a few nanoseconds, or one round. The seed determines
 * every choice: each of STRESS_STAGES consecutive seeds gives another stage.
 */
#define STRESS_STAGES 6
int stress_run_once(const struct scenario *scenario, const struct stress_options *options,
		    uint64_t nanoseconds);

/* For set_up(): adds players. */
int stress_cast(struct stress *stress, const char *name, player_body *body, void *arg,
		unsigned int count);
/* One player for each vCPU. */
int stress_cast_vcpus(struct stress *stress, player_body *body, void *arg);
/* One player for the next vCPU that has none yet. */
int stress_cast_vcpu(struct stress *stress, const char *name, player_body *body, void *arg);
/* One player that calls the checker repeatedly. */
int stress_cast_checker(struct stress *stress);

/* Calls end(thing) after the VM has ended. */
void stress_defer(struct stress *stress, void (*end)(void *thing), void *thing);
/* Zeroed memory that is freed after the VM has ended; NULL if there is none. */
void *stress_allocate(struct stress *stress, size_t bytes);
struct tdp_anon *stress_anon(struct stress *stress, uint64_t bytes, enum tdp_level page);
int stress_slot(struct stress *stress, unsigned int address_space, unsigned int id, tdp_gfn_t gfn,
		uint64_t pages, const struct tdp_backing *backing, bool read_only);

/* Calls the checker, prints its findings, and returns their number. */
uint64_t stress_inspect(struct stress *stress);

#endif
