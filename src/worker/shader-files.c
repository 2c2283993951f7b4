/* SPDX-License-Identifier: MIT */
/*
 * Mesa's shader cache is files, and a worker has none: no directory, no open(). So this program
 * defines the few functions of the C library that the cache calls with paths. A shared library
 * binds to the program's definition before the C library's; below SL_SHADERS_DIR they work on
 * memory (shaders.c), for all else they call what they stand for under another name.
 *
 * How Mesa 22.3 to 25 (one file per shader) uses them: stat and mkdir for directories, which all
 * are there; a shader is written
 * as DIR/mesa_shader_cache/XX/YYYY.tmp, locked with flock(), and renamed; it is read by opening
 * its name. There XXYYYY is its key in hexadecimal. Anything else (the index that sizes are
 * counted in) is a fresh memfd that nobody else sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fds.h"
#include "worker/shaders.h"

/* Their names in the C library, without its headers' macros and inline versions of them. */
#define LIBC_NAME(name) __asm__(#name) __attribute__((visibility("default"), used))

int sl_files_open(const char *path, int flags, ...) LIBC_NAME(open);
int sl_files_open64(const char *path, int flags, ...) LIBC_NAME(open64);
int sl_files_stat(const char *path, struct stat *ret) LIBC_NAME(stat);
int sl_files_stat64(const char *path, struct stat *ret) LIBC_NAME(stat64);
int sl_files_mkdir(const char *path, mode_t mode) LIBC_NAME(mkdir);
int sl_files_rename(const char *from, const char *to) LIBC_NAME(rename);
int sl_files_unlink(const char *path) LIBC_NAME(unlink);
int sl_files_flock(int fd, int operation) LIBC_NAME(flock);

#define TEMPORARY ".tmp"

/*
 * Files that are being written: Mesa has up to four threads for that, each with one. One that was
 * given up is never closed here, so the oldest makes room.
 */
#define MAX_WRITTEN 8

static struct {
	pthread_mutex_t lock;
	struct written {
		int fd; /* a duplicate; 0: none */
		uint8_t key[SL_SHADERS_KEY_BYTES];
	} files[MAX_WRITTEN];
	unsigned int next;
} writing = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool is_ours(const char *path)
{
	size_t n = strlen(SL_SHADERS_DIR);

	return path && sl_shaders_in_use() && strncmp(path, SL_SHADERS_DIR, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether it is ".../XX/YYYY" with @suffix, and its key then. */
static bool parse_key(const char *path, const char *suffix, uint8_t ret[SL_SHADERS_KEY_BYTES])
{
	const size_t name_len = 3 + 2 * (SL_SHADERS_KEY_BYTES - 1); /* XX/YYYY */
	size_t len = strlen(path), tail = name_len + strlen(suffix);
	const char *p;

	if (len <= tail || path[len - tail - 1] != '/' ||
		strcmp(path + len - strlen(suffix), suffix) != 0) {
		return false;
	}
	p = path + len - tail;
	if (p[2] != '/') {
		return false;
	}
	for (int i = 0; i < SL_SHADERS_KEY_BYTES; i++, p += i == 1 ? 3 : 2) {
		int high = digit(p[0]), low = high < 0 ? -1 : digit(p[1]);

		if (low < 0) {
			return false;
		}
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void remember(int fd, const uint8_t *key)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	struct written *w;

	if (copy < 0) {
		return;
	}
	pthread_mutex_lock(&writing.lock);
	w = &writing.files[writing.next++ % MAX_WRITTEN];
	if (w->fd > 0) {
		close(w->fd);
	}
	w->fd = copy;
	memcpy(w->key, key, sizeof(w->key));
	pthread_mutex_unlock(&writing.lock);
}

/* The file that was written under this key, the caller's; -1: none. */
static int take_written(const uint8_t *key)
{
	int fd = -1;

	pthread_mutex_lock(&writing.lock);
	for (size_t i = 0; i < MAX_WRITTEN && fd < 0; i++) {
		struct written *w = &writing.files[i];

		if (w->fd > 0 && memcmp(w->key, key, sizeof(w->key)) == 0) {
			fd = w->fd;
			w->fd = 0;
		}
	}
	pthread_mutex_unlock(&writing.lock);
	return fd;
}

static int open_ours(const char *path, int flags)
{
	uint8_t key[SL_SHADERS_KEY_BYTES];
	int fd;

	if (parse_key(path, "", key)) {
		fd = flags & O_CREAT ? -EACCES : sl_shaders_find(key);
	} else if (flags & O_CREAT) {
		fd = -1;
		errno = EROFS;
		if (sl_shaders_on()) {
			fd = memfd_create("shader", MFD_CLOEXEC);
		}
		fd = fd < 0 ? -errno : fd;
		if (fd >= 0 && parse_key(path, TEMPORARY, key)) {
			remember(fd, key);
		}
	} else {
		fd = -ENOENT;
	}
	if (fd < 0) {
		errno = -fd;
		return -1;
	}
	return fd;
}

static int open_any(const char *path, int flags, mode_t mode)
{
	return is_ours(path) ? open_ours(path, flags) : openat(AT_FDCWD, path, flags, mode);
}

/* O_TMPFILE is several bits. */
#define HAS_MODE(flags) (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE)

#define OPEN(path, flags)                                                                          \
	va_list ap;                                                                                \
	mode_t mode;                                                                               \
                                                                                                   \
	va_start(ap, flags);                                                                       \
	mode = HAS_MODE(flags) ? va_arg(ap, mode_t) : 0;                                           \
	va_end(ap);                                                                                \
	return open_any(path, flags, mode)

int sl_files_open(const char *path, int flags, ...)
{
	OPEN(path, flags);
}

int sl_files_open64(const char *path, int flags, ...)
{
	OPEN(path, flags);
}

/* The cache's own directory, those in it, and theirs with two digits. */
static bool is_directory(const char *path)
{
	const char *below = path + strlen(SL_SHADERS_DIR), *last;

	if (*below == '\0') {
		return true;
	}
	last = strrchr(path, '/') + 1;
	return last == below + 1 ||
	       (strlen(last) == 2 && digit(last[0]) >= 0 && digit(last[1]) >= 0);
}

static int stat_any(const char *path, struct stat *ret)
{
	if (!is_ours(path)) {
		return fstatat(AT_FDCWD, path, ret, 0);
	}
	if (!is_directory(path)) {
		errno = ENOENT;
		return -1;
	}
	*ret = (struct stat){ .st_mode = S_IFDIR | 0700, .st_nlink = 2 };
	return 0;
}

int sl_files_stat(const char *path, struct stat *ret)
{
	return stat_any(path, ret);
}

/* The same on the machines that this runs on, all of 64 bits. */
int sl_files_stat64(const char *path, struct stat *ret)
{
	return stat_any(path, ret);
}

int sl_files_mkdir(const char *path, mode_t mode)
{
	return is_ours(path) ? 0 : mkdirat(AT_FDCWD, path, mode);
}

int sl_files_rename(const char *from, const char *to)
{
	uint8_t key[SL_SHADERS_KEY_BYTES];
	_cleanup_close_ int fd = -1;

	if (!is_ours(from)) {
		return renameat(AT_FDCWD, from, AT_FDCWD, to);
	}
	if (parse_key(from, TEMPORARY, key)) {
		fd = take_written(key);
	}
	if (fd < 0) {
		errno = ENOENT;
		return -1;
	}
	sl_shaders_put(key, fd);
	return 0;
}

int sl_files_unlink(const char *path)
{
	uint8_t key[SL_SHADERS_KEY_BYTES];

	if (!is_ours(path)) {
		return unlinkat(AT_FDCWD, path, 0);
	}
	if (parse_key(path, TEMPORARY, key)) {
		sl_close(take_written(key));
	}
	return 0;
}

int sl_files_flock(int fd, int operation)
{
	/* Nothing else in a worker that has this cache locks files, and nobody shares ours. */
	return sl_shaders_in_use() ? 0 : (int)syscall(SYS_flock, fd, operation);
}
