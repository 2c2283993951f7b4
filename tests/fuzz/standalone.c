/* SPDX-License-Identifier: MIT */
/*
 * Plays files, or all files of directories, into a fuzz target. So every compiler runs the corpora
 * as ordinary tests, and a crash that a fuzzer found is replayed without it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define MAX_INPUT_BYTES (16u << 20)

static int play_file(int dirfd, const char *path)
{
	_cleanup_free_ char *data = NULL;
	size_t size = 0;
	int r = sl_read_file_at(dirfd, path, MAX_INPUT_BYTES, &data, &size);

	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return r;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)data, size);
	return 1;
}

static int play_directory(const char *path)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	if (!d) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -errno;
	}
	while ((e = readdir(d))) {
		int r;

		if (e->d_name[0] == '.') {
			continue;
		}
		r = play_file(dirfd(d), e->d_name);
		if (r < 0) {
			return r;
		}
		n += r;
	}
	return n;
}

int main(int argc, char **argv)
{
	int played = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		int r;

		if (stat(argv[i], &st) < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		r = S_ISDIR(st.st_mode) ? play_directory(argv[i]) : play_file(AT_FDCWD, argv[i]);
		if (r < 0) {
			return 1;
		}
		played += r;
	}
	printf("%d inputs\n", played);
	return played > 0 ? 0 : 1;
}
