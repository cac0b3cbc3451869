/*
 * Names of this process's functions, static ones included, from the symbol tables of the
 * files that were loaded.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_SYMBOL_H
#define TDPSIM_PLATFORM_VIRTUAL_SYMBOL_H

#include <stddef.h>

/* Writes the function's name; if the file has no name for it, the file and the offset. */
void symbol_name(const void *address, char *name, size_t size);

#endif
