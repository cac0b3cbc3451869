/*
 * A fuzz target without a fuzzer: runs it over files, and the files of folders,
 * one after the other, and names the one at which it stops.
 */
#include "fuzz/support/input.h"

#include <dirent.h>

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0;
	long end = -1;

	if (file && fseek(file, 0, SEEK_END) == 0)
		end = ftell(file);
	if (end >= 0 && fseek(file, 0, SEEK_SET) == 0)
		data = malloc((size_t)end + 1);
	if (data)
		size = fread(data, 1, (size_t)end, file);
	if (file)
		fclose(file);
	if (!data) {
		perror(path);
		return EXIT_FAILURE;
	}
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return EXIT_SUCCESS;
}

static int run_folder(const char *path, DIR *folder)
{
	const struct dirent *entry;
	int status = EXIT_SUCCESS, count = 0;
	char name[4096];

	while (status == EXIT_SUCCESS && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		status = run_file(name);
		count++;
	}
	if (status == EXIT_SUCCESS && count == 0) {
		fprintf(stderr, "%s: there is nothing in it\n", path);
		status = EXIT_FAILURE;
	}
	return status;
}

int main(int argc, char **argv)
{
	int status = EXIT_SUCCESS;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc && status == EXIT_SUCCESS; i++) {
		DIR *folder = opendir(argv[i]);

		status = folder ? run_folder(argv[i], folder) : run_file(argv[i]);
		if (folder)
			closedir(folder);
	}
	return status;
}
