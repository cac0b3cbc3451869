/*
 * The stage of a stress scenario: a host, a VM, vCPUs, and a cast of players that
 * work against each other until the time is up or one of them has found a fault.
 *
 * A scenario is a file of tests/stress/ and a constant of this header's type. It
 * says who plays and what must hold beside the checker's invariants. Players use
 * include/tdpsim/run.h for time and waiting and platform/atomic.h for what they
 * share, so that a scenario runs on any engine. A player never asserts: it calls
 * player_fail() and returns what that returns.
 */
#ifndef TESTS_SUPPORT_STRESS_H
#define TESTS_SUPPORT_STRESS_H

#include <tdpsim/tdpsim.h>

#include "platform/atomic.h"

#define STRESS_VCPUS_MAX   64
#define STRESS_PLAYERS_MAX 96
#define STRESS_THINGS_MAX  48

/* What the command line says; 0 (or as baseline) where it says nothing. */
struct stress_options {
	uint64_t milliseconds;
	uint64_t seed;
	unsigned int vcpus;
	enum tdp_baseline baseline;
	enum tdp_lock_policy lock;
	int format; /* enum tdp_format, or -1 */
};

struct stress;
struct player;

typedef int player_body(struct player *player);

struct player {
	struct stress *stress;
	const char *name;
	player_body *body;
	void *arg;
	struct tdp_vcpu *vcpu; /* players of stress_cast_vcpus() and _vcpu() */
	unsigned int number;   /* among those of one stress_cast() */
	uint64_t random;       /* state; player_random() */
	uint64_t rounds;       /* of player_goes_on(), for the report */
};

struct scenario {
	const char *name;
	const char *what;   /* in a line */
	unsigned int vcpus; /* where the command line does not say */
	/* Steps of a schedule (bench/tools/explore) after which the players end; 0: few. */
	uint64_t steps;
	bool ept_only, no_ad;	 /* a CPU without accessed and dirty flags */
	uint64_t carveout_bytes; /* for terrains; 0: 1 GiB */
	unsigned int maxphyaddr; /* few bits: a root is gone over in few steps; 0: 52 */
	uint64_t table_bytes;	 /* few table frames come round again soon; 0: 64 MiB */
	enum tdp_huge_fault_policy huge_fault; /* 0: the one and the other */
	unsigned int nx_ratio; /* NX huge pages, of which a round recovers 1 in so many; 0: none */
	/* What else the VM is to be, by a random number; may be NULL. */
	void (*configure)(struct tdp_vm_config *config, struct tdp_policy *policy, uint64_t random);
	/* Lays out the slots and casts the players. 0 or a negative errno. */
	int (*set_up)(struct stress *stress);
	/* After the last player: what else must hold; may be NULL. */
	int (*judge)(struct stress *stress);
	/*
	 * A small scenario (round.h) has the first of these, and perhaps the second. Both
	 * are called while nobody acts, by the first player or on its behalf: `prepare`
	 * brings about the state that a round begins from, `settle` judges what came of it.
	 */
	int (*prepare)(struct player *player);
	int (*settle)(struct player *player);
};

/* What a scenario allocates and wants ended after the VM. */
struct stress_thing {
	void (*end)(void *thing);
	void *thing;
};

struct stress {
	const struct scenario *scenario;
	struct tdp_host *host;
	struct tdp_vm *vm;
	struct tdp_vm_config config; /* as asked for */
	struct tdp_policy policy;    /* as used */
	enum tdp_format format;
	unsigned int vcpu_count;
	struct tdp_vcpu *vcpus[STRESS_VCPUS_MAX];
	unsigned int player_count;
	struct player players[STRESS_PLAYERS_MAX];
	unsigned int thing_count;
	struct stress_thing things[STRESS_THINGS_MAX];
	uint64_t carveout_used; /* bytes that terrains have taken */
	uint64_t next_hva;
	uint64_t next_page; /* ids of tracked pages */
	uint64_t seed;
	uint64_t deadline;
	struct tdp_flag *stop;
	atomic_u32 failures;	    /* players and checks; relaxed, for the verdict at the end */
	bool once;		    /* a small scenario's players act once, without a barrier */
	struct tdp_barrier *rounds; /* else they meet here */
	atomic_u32 over;	    /* and there are no more rounds; stored before they meet */
	void *world;		    /* the scenario's own */
};

/* Runs one scenario for options->milliseconds; 0, or 1 if a fault was found. */
int stress_run(const struct scenario *scenario, const struct stress_options *options);
/*
 * The same for a few nanoseconds, or one round, in which all there is to choose depends
 * on the seed: each of STRESS_STAGES seeds in a row gives another stage.
 */
#define STRESS_STAGES 6
int stress_run_once(const struct scenario *scenario, const struct stress_options *options,
		    uint64_t nanoseconds);

/* For set_up(). */
int stress_cast(struct stress *stress, const char *name, player_body *body, void *arg,
		unsigned int count);
/* A player for each vCPU. */
int stress_cast_vcpus(struct stress *stress, player_body *body, void *arg);
/* A player for the next vCPU that has none yet. */
int stress_cast_vcpu(struct stress *stress, const char *name, player_body *body, void *arg);
/* One that calls the checker again and again. */
int stress_cast_checker(struct stress *stress);
void stress_keep(struct stress *stress, void (*end)(void *thing), void *thing);
/* Zeroed memory that lives as long as the stage; NULL if there is none. */
void *stress_allocate(struct stress *stress, size_t bytes);
struct tdp_anon *stress_anon(struct stress *stress, uint64_t bytes, enum tdp_level page);
int stress_slot(struct stress *stress, unsigned int address_space, unsigned int id, tdp_gfn_t gfn,
		uint64_t pages, const struct tdp_backing *backing, bool read_only);

/* What the checker finds now. */
uint64_t stress_inspect(struct stress *stress);

/* For players. False once the time is up or somebody has failed. */
bool player_goes_on(struct player *player);
/* Says what is wrong, ends the run, returns a verdict. */
__attribute__((format(printf, 2, 3))) int player_fail(struct player *player, const char *format,
						      ...);
uint64_t player_random(struct player *player);
static inline uint64_t player_below(struct player *player, uint64_t bound)
{
	return player_random(player) % bound;
}
static inline bool player_chance(struct player *player, unsigned int one_in)
{
	return player_below(player, one_in) == 0;
}
/* Waits a little: `most` rounds of tdp_pause() or fewer. */
void player_dawdle(struct player *player, unsigned int most);

/* A verdict beside 0 and negative ones: the time was up before there was an answer. */
#define PLAYER_TIME_UP 1

/* One access of the player's vCPU; what cannot be in any scenario is a failure. */
int player_access(struct player *player, uint64_t gpa, enum tdp_access access, void *data,
		  size_t bytes, struct tdp_access_result *result);

/* A read's exit without the read, whatever the tables and the TLB say; likewise. */
int player_fault(struct player *player, tdp_gfn_t gfn);

#endif
