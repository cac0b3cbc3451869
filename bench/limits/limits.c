#include "limits/limits.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "limits/ground.h"
#include "limits/probe.h"

const struct part *const parts[] = {
	&part_entry, &part_pass, &part_table, &part_walk, &part_word, &part_fault,
};
const size_t parts_count = sizeof(parts) / sizeof(parts[0]);

/* A field has the name of the probe that measures it. */
static const struct {
	const char *name;
	size_t offset;
} members[] = {
	{"realistic_seq", offsetof(struct limits, realistic_seq)},
	{"realistic_random", offsetof(struct limits, realistic_random)},
	{"seq_plain_store", offsetof(struct limits, seq_plain_store)},
	{"seq_exchange", offsetof(struct limits, seq_exchange)},
	{"seq_walk", offsetof(struct limits, seq_walk)},
	{"pingpong", offsetof(struct limits, pingpong)},
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

_Static_assert(sizeof(struct limits) == MEMBERS * sizeof(double), "a limit has no name");

static double *member(struct limits *limits, size_t index)
{
	return (double *)(void *)((char *)limits + members[index].offset);
}

double *limits_member(struct limits *limits, const char *name)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (strcmp(members[i].name, name) == 0)
			return member(limits, i);
	return NULL;
}

void limits_clear(struct limits *limits)
{
	for (size_t i = 0; i < MEMBERS; i++)
		*member(limits, i) = NAN;
}

/* Measures the probes of one part that have a field. */
static int measure_part(const struct part *part, struct ground *ground,
			const struct limits_config *config, struct limits *limits)
{
	for (size_t i = 0; i < part->count; i++) {
		double *ns = limits_member(limits, part->probes[i].name);
		struct sample sample;
		int err;

		if (!ns)
			continue;
		err = probe_measure(&part->probes[i], ground, config, &sample);
		if (!err)
			*ns = sample.median;
		else if (err != -ENODEV)
			return err;
	}
	return 0;
}

int limits_measure(const struct limits_config *config, struct limits *limits)
{
	uint64_t bytes = config->guest_bytes ? config->guest_bytes : LIMITS_GUEST_BYTES;
	struct ground *ground;
	int err;

	limits_clear(limits);
	err = ground_create(bytes, config->small_pages, &ground);
	if (err)
		return err;
	for (size_t i = 0; !err && i < parts_count; i++)
		err = measure_part(parts[i], ground, config, limits);
	ground_destroy(ground);
	return err;
}

json_t *limits_json(const struct limits *limits)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < MEMBERS; i++) {
		double ns =
			*(const double *)(const void *)((const char *)limits + members[i].offset);

		if (json_object_set_new(object, members[i].name,
					isnan(ns) ? json_null() : json_real(ns))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}
