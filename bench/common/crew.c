#include "common/crew.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/cast.h"
#include "common/memory.h"
#include "common/meter.h"
#include "common/permute.h"
#include "common/progress.h"
#include "common/status.h"

#define STOP_CHECK_EVERY 64 /* pages between two checks of the flag that ends the run */
#define PROGRESS_NS	 200000000

struct crew {
	const struct guest *guest;
	const struct crew_config *config;
	struct measurement *measurement;
	struct crew_vcpu *vcpus;
	struct meter *meter;
	struct tdp_flag *stop;
	/* All vCPUs and the director meet here before and after each phase. */
	struct tdp_barrier *begin, *end;
	struct tdp_flag *over; /* raised by the director after the last phase */
	/* Written by the director while the vCPUs wait at a barrier, which orders it. */
	const struct crew_phase *play; /* NULL: there is no further phase */
	struct tdp_flag *task_done;    /* of this phase */
	int error;
};

const struct guest *crew_guest(const struct crew *crew)
{
	return crew->guest;
}

const struct crew_vcpu *crew_vcpu(const struct crew *crew, unsigned int i)
{
	return &crew->vcpus[i];
}

bool crew_stopped(const struct crew *crew)
{
	return tdp_flag_raised(crew->stop);
}

const struct tdp_flag *crew_stop(const struct crew *crew)
{
	return crew->stop;
}

bool crew_task_done(const struct crew *crew)
{
	return tdp_flag_raised(crew->task_done);
}

/* A full ring has no room until user space empties it. */
static int serve_ring(struct crew_vcpu *vcpu, void *context)
{
	const struct crew_config *config = vcpu->crew->config;

	return config->ring_full ? config->ring_full(vcpu, context) : -EFAULT;
}

static inline int touch(struct crew_vcpu *vcpu, void *context, uint64_t address,
			enum tdp_access access)
{
	struct tdp_access_request request = {.address = address, .access = access};
	struct tdp_access_result result;
	int err;

	for (;;) {
		err = tdp_vcpu_access(vcpu->crew->guest->vcpus[vcpu->id], &request, &result);
		if (err)
			return err;
		if (result.outcome != TDP_ACCESS_RING_FULL)
			break;
		err = serve_ring(vcpu, context);
		if (err)
			return err;
	}
	vcpu->outcome = result.outcome;
	if (result.outcome != TDP_ACCESS_DONE)
		return -EFAULT;
	vcpu->accesses++;
	return 0;
}

int crew_touch(struct crew_vcpu *vcpu, void *context, uint64_t address, enum tdp_access access)
{
	return touch(vcpu, context, address, access);
}

/* `choose` chooses the kind of each access; if it is NULL, `access` is the kind of all. */
static inline int touch_pages(struct crew_vcpu *vcpu, enum tdp_level level, uint64_t pages,
			      crew_access *choose, enum tdp_access access)
{
	const struct guest_options *options = &vcpu->crew->guest->options;
	uint64_t base = guest_vcpu_address(options, vcpu->id), bytes = tdp_level_bytes(level);
	struct permutation permutation =
		permutation_of(pages, mix64(options->seed + (uint64_t)vcpu->id * 0x10001));

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t page = options->order == GUEST_RANDOM ? permute(&permutation, i) : i;
		int err;

		if (i % STOP_CHECK_EVERY == 0 && crew_stopped(vcpu->crew))
			return 0;
		err = touch(vcpu, NULL, base + page * bytes, choose ? choose(vcpu, i) : access);
		if (err)
			return err;
	}
	return 0;
}

int crew_touch_all(struct crew_vcpu *vcpu, enum tdp_access access)
{
	const struct guest_options *options = &vcpu->crew->guest->options;

	return touch_pages(vcpu, TDP_4K, options->bytes >> TDP_PAGE_SHIFT, NULL, access);
}

int crew_touch_backing(struct crew_vcpu *vcpu, crew_access *access)
{
	const struct guest_options *options = &vcpu->crew->guest->options;

	return touch_pages(vcpu, options->backing, guest_vcpu_pages(options), access, TDP_WRITE);
}

static void take_part(struct crew_vcpu *vcpu)
{
	const struct crew_phase *play = vcpu->crew->play;

	vcpu->accesses = 0;
	if (play->part && !vcpu->error)
		vcpu->error = play->part(vcpu, play->context);
	vcpu->finished = tdp_clock_now();
	if (vcpu->error)
		tdp_flag_raise(vcpu->crew->stop);
}

static int vcpu_body(struct tdp_actor *self, void *arg)
{
	struct crew_vcpu *vcpu = arg;
	struct crew *crew = vcpu->crew;

	(void)self;
	if (!crew->config->no_accesses)
		vcpu->error = tdp_vcpu_load_root(crew->guest->vcpus[vcpu->id]);
	for (;;) {
		uint64_t ready = tdp_clock_now();

		tdp_barrier_wait(crew->begin);
		if (!crew->play)
			return 0;
		vcpu->ready = ready; /* after the barrier: the director may have read the old one */
		take_part(vcpu);
		tdp_barrier_wait(crew->end);
	}
}

static int director_body(struct tdp_actor *self, void *arg)
{
	struct crew *crew = arg;

	(void)self;
	crew->error = crew->config->direct(crew, crew->config->context);
	crew->play = NULL;
	tdp_barrier_wait(crew->begin);
	tdp_flag_raise(crew->over);
	return 0;
}

/* An actor of its own, which runs only if standard error is a terminal. */
static int progress_body(struct tdp_actor *self, void *arg)
{
	const struct crew *crew = arg;
	uint64_t all = guest_distinct_pages(&crew->guest->options);
	uint64_t next = tdp_clock_now() + PROGRESS_NS;
	unsigned int rounds = 0;
	struct tdp_stats stats;

	(void)self;
	while (!tdp_flag_raised(crew->over)) {
		tdp_pause(&rounds);
		if (tdp_clock_now() < next)
			continue;
		tdp_vm_stats(crew->guest->vm, &stats);
		progress_show(crew->config->progress, stats.pf_fixed < all ? stats.pf_fixed : all,
			      all);
		next = tdp_clock_now() + PROGRESS_NS;
	}
	progress_end();
	return 0;
}

/* From the moment the last actor is ready until the last one has finished. */
static double seconds_of_parts(const struct crew *crew, uint64_t ready)
{
	uint64_t finished = 0;

	for (unsigned int i = 0; i < crew->guest->options.vcpus; i++) {
		const struct crew_vcpu *vcpu = &crew->vcpus[i];

		ready = vcpu->ready > ready ? vcpu->ready : ready;
		finished = vcpu->finished > finished ? vcpu->finished : finished;
	}
	return finished > ready ? (double)(finished - ready) / 1e9 : 0;
}

static int error_of_vcpus(const struct crew *crew)
{
	for (unsigned int i = 0; i < crew->guest->options.vcpus; i++)
		if (crew->vcpus[i].error)
			return crew->vcpus[i].error;
	return 0;
}

static void add_phase(struct crew *crew, const struct crew_phase *play, double seconds,
		      struct phase **result)
{
	struct phase phase = {.name = play->name, .number = play->number, .seconds = seconds},
		     *added;

	for (unsigned int i = 0; play->part && i < crew->guest->options.vcpus; i++)
		phase.accesses += crew->vcpus[i].accesses;
	phase.bytes = phase.accesses * TDP_PAGE_SIZE;
	meter_end(crew->meter, &phase);
	phase.faults = phase.counted.pf_taken;
	added = measurement_phase(crew->measurement, phase);
	measurement_check(crew->measurement, crew->guest);
	if (result)
		*result = added;
}

/* Runs the task of the director. */
static int play_alone(struct crew *crew, const struct crew_phase *play, double *seconds)
{
	uint64_t begun = tdp_clock_now();
	int err = play->task(crew, play->context);

	*seconds = (double)(tdp_clock_now() - begun) / 1e9;
	return err;
}

static int play_together(struct crew *crew, const struct crew_phase *play, double *seconds)
{
	uint64_t ready;
	int err = tdp_flag_create(&crew->task_done);

	if (err)
		return err;
	crew->play = play;
	ready = tdp_clock_now();
	tdp_barrier_wait(crew->begin);
	if (play->task) {
		err = play_alone(crew, play, seconds);
		tdp_flag_raise(crew->task_done);
	}
	tdp_barrier_wait(crew->end);
	if (!play->task)
		*seconds = seconds_of_parts(crew, ready);
	tdp_flag_destroy(crew->task_done);
	crew->task_done = NULL;
	return err ? err : error_of_vcpus(crew);
}

int crew_play(struct crew *crew, const struct crew_phase *play, struct phase **phase)
{
	double seconds = 0;
	int err;

	err = play->part ? play_together(crew, play, &seconds) : play_alone(crew, play, &seconds);
	if (!err && play->name)
		add_phase(crew, play, seconds, phase);
	return err;
}

static void report_errors(const struct crew *crew)
{
	bool reported = false;

	for (unsigned int i = 0; i < crew->guest->options.vcpus; i++) {
		const struct crew_vcpu *vcpu = &crew->vcpus[i];

		if (vcpu->error)
			complain("vCPU %u stopped after %" PRIu64 " accesses: %s (%s)", vcpu->id,
				 vcpu->accesses, strerror(-vcpu->error),
				 guest_outcome(vcpu->outcome));
		reported |= vcpu->error != 0;
	}
	if (!reported)
		complain("the run ended early: %s", strerror(-crew->error));
}

/* The vCPUs, the director and, if it is wanted, the progress line. */
static size_t make_actors(struct crew *crew, struct tdp_actor_config *actors)
{
	const struct guest_options *options = &crew->guest->options;
	size_t count = options->vcpus;

	for (unsigned int i = 0; i < options->vcpus; i++) {
		crew->vcpus[i].crew = crew;
		crew->vcpus[i].id = i;
		actors[i] = cast_actor(options, i, "vcpu", vcpu_body, &crew->vcpus[i]);
	}
	actors[count++] =
		(struct tdp_actor_config){.name = "director", .body = director_body, .arg = crew};
	if (crew->config->progress && progress_wanted())
		actors[count++] = (struct tdp_actor_config){
			.name = "progress", .body = progress_body, .arg = crew};
	return count;
}

static int run_actors(struct crew *crew)
{
	struct tdp_actor_config *actors =
		must_calloc(crew->guest->options.vcpus + 2, sizeof(*actors));
	size_t count = make_actors(crew, actors);
	int err = cast_run(actors, count);

	if (err)
		complain("cannot run %zu actors: %s%s", count, strerror(-err),
			 err == -EINVAL && crew->guest->options.pin
				 ? " (a CPU of --pin does not exist)"
				 : "");
	else if (crew->error)
		report_errors(crew);
	free(actors);
	return err ? err : crew->error;
}

/* A crew that is to run. */
struct crew_run {
	const struct crew_config *config;
	struct meter meter;
};

static int run_crew(struct crew *crew)
{
	unsigned int actors = crew->guest->options.vcpus + 1;
	int err = tdp_barrier_create(actors, &crew->begin);

	if (!err)
		err = tdp_barrier_create(actors, &crew->end);
	if (!err)
		err = tdp_flag_create(&crew->over);
	if (!err) {
		meter_begin(crew->meter, crew->guest);
		err = run_actors(crew);
	}
	crew->measurement->interrupted = tdp_flag_raised(crew->stop);
	tdp_flag_destroy(crew->over);
	tdp_barrier_destroy(crew->end);
	tdp_barrier_destroy(crew->begin);
	return err;
}

static int measure_guest(struct guest *guest, const struct driver_tools *tools,
			 struct measurement *measurement, void *context)
{
	struct crew_run *run = context;
	const struct crew_config *config = run->config;
	struct crew crew = {
		.guest = guest,
		.config = config,
		.measurement = measurement,
		.meter = &run->meter,
		.stop = tools->stop,
		.vcpus = must_calloc_aligned(_Alignof(struct crew_vcpu), guest->options.vcpus,
					     sizeof(*crew.vcpus)),
	};
	int err = run_crew(&crew);

	free(crew.vcpus);
	if (err)
		return err;
	measurement_take(measurement, guest);
	measurement_verify(measurement);
	if (config->verify && !measurement->interrupted)
		config->verify(guest, measurement, config->context);
	return 0;
}

int crew_measure(struct guest_options *options, const struct driver_tools *tools,
		 struct measurement *measurement, const struct crew_config *config)
{
	struct crew_run run = {.config = config};
	int err;

	meter_init(&run.meter, options, !config->no_accesses);
	err = driver_with_guest(options, tools, measurement, measure_guest, &run);
	meter_fini(&run.meter);
	return err;
}
