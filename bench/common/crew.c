#include "common/crew.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/cast.h"
#include "common/memory.h"
#include "common/permute.h"
#include "common/status.h"

#define LOOK_UP_EVERY 64 /* pages between two looks at the flag that ends the run */

struct crew {
	const struct guest *guest;
	const struct crew_config *config;
	struct measurement *measurement;
	struct crew_vcpu *vcpus;
	struct tdp_flag *stop;
	/* All vCPUs and the director meet here before and after each phase. */
	struct tdp_barrier *begin, *end;
	/* The director's, written while the others rest. */
	const struct crew_phase *play; /* NULL: it is over */
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

bool crew_task_done(const struct crew *crew)
{
	return tdp_flag_raised(crew->task_done);
}

/* The ring has no room until user space has emptied it. */
static int serve_ring(struct crew_vcpu *vcpu, void *context)
{
	const struct crew_config *config = vcpu->crew->config;

	return config->ring_full ? config->ring_full(vcpu, context) : -EFAULT;
}

int crew_touch(struct crew_vcpu *vcpu, void *context, uint64_t address, enum tdp_access access)
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

int crew_touch_all(struct crew_vcpu *vcpu, enum tdp_access access)
{
	const struct guest_options *options = &vcpu->crew->guest->options;
	uint64_t base = guest_vcpu_address(options, vcpu->id);
	uint64_t pages = options->bytes >> TDP_PAGE_SHIFT;
	struct permutation permutation =
		permutation_of(pages, mix64(options->seed + (uint64_t)vcpu->id * 0x10001));

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t page = options->order == GUEST_RANDOM ? permute(&permutation, i) : i;
		int err;

		if (i % LOOK_UP_EVERY == 0 && crew_stopped(vcpu->crew))
			return 0;
		err = crew_touch(vcpu, NULL, base + (page << TDP_PAGE_SHIFT), access);
		if (err)
			return err;
	}
	return 0;
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
	vcpu->error = tdp_vcpu_load_root(crew->guest->vcpus[vcpu->id]);
	for (;;) {
		uint64_t ready = tdp_clock_now();

		tdp_barrier_wait(crew->begin);
		if (!crew->play)
			return 0;
		vcpu->ready = ready; /* not before: the director may still read the last one */
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
	return 0;
}

/* From the moment the last of all is ready until the last has finished. */
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
	meter_end(crew->config->meter, &phase);
	phase.faults = phase.counted.pf_taken;
	added = measurement_phase(crew->measurement, phase);
	measurement_check(crew->measurement, crew->guest);
	if (result)
		*result = added;
}

/* The director alone: the others wait for the next phase. */
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

	meter_begin(crew->config->meter, crew->guest);
	err = play->part ? play_together(crew, play, &seconds) : play_alone(crew, play, &seconds);
	if (!err)
		add_phase(crew, play, seconds, phase);
	return err;
}

static void tell_errors(const struct crew *crew)
{
	bool told = false;

	for (unsigned int i = 0; i < crew->guest->options.vcpus; i++) {
		const struct crew_vcpu *vcpu = &crew->vcpus[i];

		if (vcpu->error)
			complain("vCPU %u stopped after %" PRIu64 " accesses: %s (%s)", vcpu->id,
				 vcpu->accesses, strerror(-vcpu->error),
				 guest_outcome(vcpu->outcome));
		told |= vcpu->error != 0;
	}
	if (!told)
		complain("the run ended early: %s", strerror(-crew->error));
}

static struct tdp_actor_config *make_actors(struct crew *crew)
{
	const struct guest_options *options = &crew->guest->options;
	struct tdp_actor_config *actors = must_calloc(options->vcpus + 1, sizeof(*actors));

	for (unsigned int i = 0; i < options->vcpus; i++) {
		crew->vcpus[i].crew = crew;
		crew->vcpus[i].id = i;
		actors[i] = (struct tdp_actor_config){
			.name = "vcpu",
			.body = vcpu_body,
			.arg = &crew->vcpus[i],
			.pinned = options->pin != NULL,
			.cpu = options->pin ? cpu_list_at(options->pin, i) : 0,
		};
	}
	actors[options->vcpus] =
		(struct tdp_actor_config){.name = "director", .body = director_body, .arg = crew};
	return actors;
}

static int run_actors(struct crew *crew)
{
	size_t count = crew->guest->options.vcpus + 1;
	struct tdp_actor_config *actors = make_actors(crew);
	int err = cast_run(actors, count);

	if (err)
		complain("cannot run %zu actors: %s%s", count, strerror(-err),
			 err == -EINVAL && crew->guest->options.pin
				 ? " (a CPU of --pin is not there)"
				 : "");
	else if (crew->error)
		tell_errors(crew);
	free(actors);
	return err ? err : crew->error;
}

int crew_run(const struct guest *guest, const struct driver_tools *tools,
	     struct measurement *measurement, const struct crew_config *config)
{
	struct crew crew = {
		.guest = guest,
		.config = config,
		.measurement = measurement,
		.stop = tools->stop,
		.vcpus = must_calloc_aligned(_Alignof(struct crew_vcpu), guest->options.vcpus,
					     sizeof(*crew.vcpus)),
	};
	int err = tdp_barrier_create(guest->options.vcpus + 1, &crew.begin);

	if (!err)
		err = tdp_barrier_create(guest->options.vcpus + 1, &crew.end);
	if (!err)
		err = run_actors(&crew);
	measurement->interrupted = tdp_flag_raised(tools->stop);
	tdp_barrier_destroy(crew.end);
	tdp_barrier_destroy(crew.begin);
	free(crew.vcpus);
	return err;
}
