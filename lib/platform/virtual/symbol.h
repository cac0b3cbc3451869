/*
 * The name of a function of this process, static ones included, as the symbol
 * table of the file that it was loaded from has it.
 */
#ifndef TDPSIM_PLATFORM_VIRTUAL_SYMBOL_H
#define TDPSIM_PLATFORM_VIRTUAL_SYMBOL_H

#include <stddef.h>

/* Writes the name; where the file has none, the file's and the place in it. */
void symbol_name(const void *address, char *name, size_t size);

#endif
