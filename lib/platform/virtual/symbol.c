#include "platform/virtual/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
	const char *bytes;
	size_t size;
};

static bool image_map(struct image *image, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (file < 0)
		return false;
	image->bytes = MAP_FAILED;
	if (fstat(file, &status) == 0 && (size_t)status.st_size >= sizeof(ElfW(Ehdr))) {
		image->size = (size_t)status.st_size;
		image->bytes = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, file, 0);
	}
	close(file);
	return image->bytes != MAP_FAILED;
}

/* A pointer to [offset, offset + bytes) of the file; NULL if the file is shorter. */
static const void *image_at(const struct image *image, uint64_t offset, uint64_t bytes)
{
	if (offset > image->size || bytes > image->size - offset)
		return NULL;
	return image->bytes + offset;
}

static bool symbol_covers(const ElfW(Sym) * symbol, uint64_t place)
{
	return (symbol->st_info & 0xf) == STT_FUNC && symbol->st_value <= place &&
	       place - symbol->st_value < symbol->st_size;
}

static const char *search(const struct image *image, const ElfW(Shdr) * table,
			  const ElfW(Shdr) * names, uint64_t place)
{
	const ElfW(Sym) *symbols = image_at(image, table->sh_offset, table->sh_size);
	const char *text = image_at(image, names->sh_offset, names->sh_size);

	if (!symbols || !text || !names->sh_size || text[names->sh_size - 1])
		return NULL;
	for (size_t i = 0; i < table->sh_size / sizeof(*symbols); i++)
		if (symbol_covers(&symbols[i], place) && symbols[i].st_name < names->sh_size)
			return text + symbols[i].st_name;
	return NULL;
}

static const char *find(const struct image *image, uint64_t place)
{
	const ElfW(Ehdr) *head = image_at(image, 0, sizeof(*head));
	const ElfW(Shdr) *sections =
		image_at(image, head->e_shoff, (uint64_t)head->e_shnum * sizeof(*sections));
	const char *name = NULL;

	if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || !sections)
		return NULL;
	for (size_t i = 0; i < head->e_shnum && !name; i++)
		if ((sections[i].sh_type == SHT_SYMTAB || sections[i].sh_type == SHT_DYNSYM) &&
		    sections[i].sh_link < head->e_shnum)
			name = search(image, &sections[i], &sections[sections[i].sh_link], place);
	return name;
}

/* The file's path; /proc/self/exe for a program that was started by a bare name. */
static const char *path_of(const Dl_info *info)
{
	return access(info->dli_fname, R_OK) == 0 ? info->dli_fname : "/proc/self/exe";
}

void symbol_name(const void *address, char *name, size_t size)
{
	struct image image;
	struct link_map *map;
	const char *found = NULL;
	uint64_t place;
	Dl_info info;

	if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP)) {
		snprintf(name, size, "%p", address);
		return;
	}
	place = (uintptr_t)address - map->l_addr;
	if (image_map(&image, path_of(&info))) {
		found = find(&image, place);
		if (found)
			snprintf(name, size, "%s", found);
		munmap((void *)image.bytes, image.size);
	}
	if (!found)
		snprintf(name, size, "%s+0x%llx", info.dli_fname, (unsigned long long)place);
}
