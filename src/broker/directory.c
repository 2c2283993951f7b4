/* SPDX-License-Identifier: MIT */
/*
 * The directory and its sockets. Everything goes through the directory's fd, so that a rename of
 * a parent cannot lead us astray. A socket is bound under a hidden name, gets owner and mode,
 * listens, and only then takes its real name: nobody ever meets it half made, and no umask
 * decides who may connect.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "broker/directory.h"
#include "util/error.h"
#include "util/fds.h"
#include "util/cleanup.h"

/*
 * Clients that arrive at the same moment wait here, not in a refusal. The kernel caps it with
 * net.core.somaxconn (4096).
 */
#define BACKLOG 1024

int sl_directory_default(char **ret_path, char **ret_error)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	int n;

	if (geteuid() == 0) {
		n = asprintf(ret_path, "/run/sluice");
	} else if (run && *run == '/') {
		n = asprintf(ret_path, "%s/sluice", run);
	} else {
		return sl_error_line(ret_error, -ENOENT,
			"XDG_RUNTIME_DIR: not set: log in through a session manager or give "
			"--directory=DIR");
	}
	return n < 0 ? -ENOMEM : 0;
}

char *sl_directory_path(const struct sl_directory *d, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", d->path, name) < 0 ? NULL : path;
}

/* Others must not be able to plant files where we lock, bind and unlink. */
static int check_owner(const char *path, int fd, char **ret_error)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return sl_error_line(ret_error, -errno, "%s: %s", path, strerror(errno));
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		return sl_error_line(ret_error, -EPERM,
			"%s: belongs to uid %u: remove it or choose another --directory", path,
			(unsigned int)st.st_uid);
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		return sl_error_line(ret_error, -EPERM,
			"%s: others may write to it: chmod go-w or choose another --directory",
			path);
	}
	return 0;
}

/*
 * Says that a broker made the folder, so that the last one removes it. A file, since of several
 * brokers that start at once, the one that makes the folder may not be the one that gets the lock.
 */
#define MADE_MARK ".made"

static int mark_as_made(const char *path)
{
	_cleanup_free_ char *mark = NULL;
	int fd;

	if (asprintf(&mark, "%s/" MADE_MARK, path) < 0) {
		return -ENOMEM;
	}
	fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	sl_close(fd);
	return fd < 0 ? -errno : 0;
}

static int open_folder(struct sl_directory *d, const char *path, char **ret_error)
{
	if (mkdir(path, 0755) == 0) {
		int r = mark_as_made(path);

		if (r < 0) {
			return sl_error_line(
				ret_error, r, "%s/" MADE_MARK ": %s", path, strerror(-r));
		}
		/* The umask must not lock clients out: the sockets' modes decide. */
		if (chmod(path, 0755) < 0) {
			return sl_error_line(
				ret_error, -errno, "%s: chmod: %s", path, strerror(errno));
		}
	} else if (errno != EEXIST) {
		return sl_error_line(ret_error, -errno,
			"%s: cannot be made: %s: make its parent or choose another --directory",
			path, strerror(errno));
	}
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (d->fd < 0) {
		return sl_error_line(ret_error, -errno, "%s: %s: choose another --directory", path,
			strerror(errno));
	}
	d->path = realpath(path, NULL);
	if (!d->path) {
		return sl_error_line(ret_error, -errno, "%s: %s", path, strerror(errno));
	}
	return check_owner(path, d->fd, ret_error);
}

static int lock_is_current(int dirfd, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dirfd, "lock", &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int busy(struct sl_directory *d, char **ret_error)
{
	_cleanup_free_ char *pid = NULL;

	if (sl_read_file_at(d->fd, "lock", 64, &pid, NULL) == 0) {
		pid[strcspn(pid, "\n")] = '\0';
	}
	return sl_error_line(ret_error, -EBUSY,
		"%s: another broker runs there (pid %s): stop it or choose another --directory",
		d->path, pid && *pid ? pid : "unknown");
}

static int take_lock(struct sl_directory *d, char **ret_error)
{
	for (;;) {
		_cleanup_close_ int fd =
			openat(d->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (fd < 0) {
			return sl_error_line(ret_error, -errno,
				"%s/lock: %s: choose another --directory", d->path,
				strerror(errno));
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			return errno == EWOULDBLOCK
				       ? busy(d, ret_error)
				       : sl_error_line(ret_error, -errno, "%s/lock: %s", d->path,
						 strerror(errno));
		}
		/* A broker that was just ending may have removed the file we opened. */
		if (!lock_is_current(d->fd, fd)) {
			continue;
		}
		if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
			return sl_error_line(
				ret_error, -errno, "%s/lock: %s", d->path, strerror(errno));
		}
		d->lock_fd = TAKE_FD(fd);
		return 0;
	}
}

void sl_directory_remove_domain(struct sl_directory *d, const char *name)
{
	_cleanup_free_ char *folder = NULL, *sock = NULL, *hidden = NULL;

	if (asprintf(&folder, "domains/%s", name) < 0 ||
		asprintf(&sock, "domains/%s/vtest", name) < 0 ||
		asprintf(&hidden, "domains/%s/.test", name) < 0) {
		return;
	}
	unlinkat(d->fd, sock, 0);
	unlinkat(d->fd, hidden, 0);
	unlinkat(d->fd, folder, AT_REMOVEDIR);
}

static void remove_domains(struct sl_directory *d)
{
	int fd = openat(d->fd, "domains", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0) {
			sl_directory_remove_domain(d, de->d_name);
		}
	}
	unlinkat(d->fd, "domains", AT_REMOVEDIR);
}

static int make_domains(struct sl_directory *d, char **ret_error)
{
	/* 0711: whoever knows its domain finds it, nobody lists those of others. */
	if (mkdirat(d->fd, "domains", 0711) < 0 && errno != EEXIST) {
		return sl_error_line(ret_error, -errno, "%s/domains: %s", d->path, strerror(errno));
	}
	if (fchmodat(d->fd, "domains", 0711, 0) < 0) {
		return sl_error_line(ret_error, -errno, "%s/domains: %s", d->path, strerror(errno));
	}
	return 0;
}

int sl_directory_open(struct sl_directory *d, const char *path, char **ret_error)
{
	int r;

	*d = (struct sl_directory){ .fd = -1, .lock_fd = -1 };
	r = open_folder(d, path, ret_error);
	if (r == 0) {
		r = take_lock(d, ret_error);
	}
	if (r < 0) {
		/* Not ours: close() must not remove what another broker uses. */
		return r;
	}
	sl_directory_remove(d, ".ontrol");
	sl_directory_remove(d, ".test");
	remove_domains(d);
	return make_domains(d, ret_error);
}

void sl_directory_close(struct sl_directory *d)
{
	if (d->lock_fd >= 0) {
		remove_domains(d);
		unlinkat(d->fd, "lock", 0);
		if (unlinkat(d->fd, MADE_MARK, 0) == 0) {
			rmdir(d->path);
		}
	}
	d->lock_fd = sl_close(d->lock_fd);
	d->fd = sl_close(d->fd);
	free(d->path);
	d->path = NULL;
}

void sl_directory_remove(struct sl_directory *d, const char *name)
{
	unlinkat(d->fd, name, 0);
}

int sl_directory_add_domain(struct sl_directory *d, const char *name)
{
	_cleanup_free_ char *folder = NULL;

	if (asprintf(&folder, "domains/%s", name) < 0) {
		return -ENOMEM;
	}
	if (mkdirat(d->fd, folder, 0755) < 0 && errno != EEXIST) {
		return -errno;
	}
	return fchmodat(d->fd, folder, 0755, 0) < 0 ? -errno : 0;
}

/* The same length as the name, so that what fits for one fits for the other. */
static char *hidden_name(const char *name)
{
	char *hidden = strdup(name), *slash;

	if (hidden) {
		slash = strrchr(hidden, '/');
		*(slash ? slash + 1 : hidden) = '.';
	}
	return hidden;
}

static int bind_hidden(struct sl_directory *d, const char *hidden, int fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", d->path, hidden) >=
		sizeof(sa.sun_path)) {
		return -ENAMETOOLONG;
	}
	/* bind() takes the mode of the socket's own inode, less the umask. */
	if (fchmod(fd, 0600) < 0) {
		return -errno;
	}
	unlinkat(d->fd, hidden, 0);
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

int sl_directory_listen(struct sl_directory *d, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	_cleanup_free_ char *hidden = hidden_name(name);
	_cleanup_close_ int fd = -1;
	int r;

	if (!hidden) {
		return -ENOMEM;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	r = bind_hidden(d, hidden, fd);
	if (r < 0) {
		return r;
	}
	if (fchownat(d->fd, hidden, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(d->fd, hidden, mode, 0) < 0 || listen(fd, BACKLOG) < 0 ||
		renameat(d->fd, hidden, d->fd, name) < 0) {
		r = -errno;
		unlinkat(d->fd, hidden, 0);
		return r;
	}
	return TAKE_FD(fd);
}
