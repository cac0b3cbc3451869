/*
 * Parameters: options that choose what is measured
 *
 * The options of a driver are rows of tables. A row defines the command-line option, its line in
 * --help, the member of a result's "config" object, how --config reads it, and the name for --vary,
 * so that the five always agree.
 */
#ifndef BENCH_PARAMETER_H
#define BENCH_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct parameter;

/* A kind of value: how it is read from text and written to JSON. */
struct parameter_type {
	/* Stores the value of `text`; false if the text is not valid. */
	bool (*parse)(const struct parameter *parameter, const char *text, void *value);
	/* New reference; NULL if there is no memory. JSON null means "not given". */
	json_t *(*json)(const struct parameter *parameter, const void *value);
	/* Writes which values are valid: "4 or 5". */
	void (*expect)(const struct parameter *parameter, char *text, size_t size);
};

/* A name of an enum value. Of several names for a value the first one is written. */
struct word {
	const char *name;
	unsigned int value;
};

struct parameter {
	const char *name;     /* long option, member of "config" */
	int letter;	      /* short option, or 0 */
	const char *argument; /* as --help calls it; NULL for a flag */
	const char *help;
	const struct parameter_type *type;
	size_t offset;		  /* of the value, in the driver's options */
	const struct word *words; /* choices: ends with a NULL name */
	uint64_t least, most;	  /* numbers and sizes */
	/*
	 * Name of a parameter that sets this one as well, or NULL. On the command line it overrides
	 * the value that --config has for this one.
	 */
	const char *governor;
	const char *alias; /* another long option with the same meaning, or NULL */
	bool in_title;	   /* a choice that the heading of the report shows */
};

/* A table of rows and the title above them in --help. */
struct parameters {
	const char *title;
	const struct parameter *table;
	size_t count;
};

extern const struct parameter_type parameter_choice; /* an enum, or unsigned int */
extern const struct parameter_type parameter_count;  /* unsigned int */
extern const struct parameter_type parameter_number; /* uint64_t */
extern const struct parameter_type parameter_size;   /* uint64_t, bytes */
extern const struct parameter_type parameter_flag;   /* bool */
extern const struct parameter_type parameter_cpus;   /* const char *, borrowed from the text */
extern const struct parameter_type parameter_text;   /* const char *, likewise */

/*
 * Sets one value in `options`. If `text` is not valid, writes a sentence to `why` and returns
 * false.
 */
bool parameter_set(const struct parameter *parameter, void *options, const char *text, char *why,
		   size_t size);

json_t *parameter_get(const struct parameter *parameter, const void *options);

/* The name of the current value of a choice. */
const char *parameter_word(const struct parameter *parameter, const void *options);

/* The i-th CPU of a list such as "0,2,4-7", which is repeated at its end. */
unsigned int cpu_list_at(const char *list, unsigned int i);

#endif
