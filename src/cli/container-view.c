/* SPDX-License-Identifier: MIT */
/*
 * What a path means inside the container, before there is one: so that a missing program or an
 * impossible mount point is told in our words, with the exit status that shells use, and not in
 * bubblewrap's. A wrong answer here can only change an error message: bubblewrap decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/container.h"

/* As the kernel has it (MAXSYMLINKS). */
#define LINKS_MAX 40

/* If @path is @dir or below it, what is behind: "" or "/...". */
static const char *below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, "/") == 0) {
		return path;
	}
	if (strncmp(path, dir, len) != 0 || (path[len] != '\0' && path[len] != '/')) {
		return NULL;
	}
	return path + len;
}

static const struct sl_mount *covering(const struct sl_container *c, const char *path)
{
	for (size_t i = c->n_mounts; i > 0; i--) {
		if (below(path, c->mounts[i - 1].dst)) {
			return &c->mounts[i - 1];
		}
	}
	return NULL;
}

/* Folders that bubblewrap makes on the way to a mount point. */
static bool implied(const struct sl_container *c, const char *path)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		if (below(c->mounts[i].dst, path)) {
			return true;
		}
	}
	return false;
}

struct walk {
	char done[PATH_MAX]; /* resolved so far, "" is the root */
	char rest[PATH_MAX];
	unsigned int n_links;
};

/* Put a link's text before what is left to walk. */
static int follow(struct walk *w, const char *target)
{
	char rest[PATH_MAX];
	int n = snprintf(rest, sizeof(rest), "%s/%s", target, w->rest);

	if (++w->n_links > LINKS_MAX) {
		return -ELOOP;
	}
	if (n < 0 || (size_t)n >= sizeof(rest)) {
		return -ENAMETOOLONG;
	}
	if (*target == '/') {
		w->done[0] = '\0';
	} else {
		*strrchr(w->done, '/') = '\0';
	}
	memcpy(w->rest, rest, (size_t)n + 1);
	return 0;
}

/* The host's path for w->done, or "" for a folder of the container alone. */
static int locate(const struct sl_container *c, struct walk *w, char host[PATH_MAX],
	struct stat *ret_st, const struct sl_mount **ret_mount)
{
	const char *path = *w->done ? w->done : "/";
	const struct sl_mount *m = covering(c, path);
	int n = 0;

	host[0] = '\0';
	*ret_st = (struct stat){ .st_mode = S_IFDIR };
	if (m && (m->kind == SL_MOUNT_RO_BIND || m->kind == SL_MOUNT_BIND)) {
		n = snprintf(host, PATH_MAX, "%s%s", m->src, below(path, m->dst));
	} else if (m && (m->kind == SL_MOUNT_DEV || m->kind == SL_MOUNT_PROC)) {
		/* Both have what the host's have, as far as programs are started from there. */
		n = snprintf(host, PATH_MAX, "%s", path);
	} else if (m && m->kind == SL_MOUNT_SYMLINK && strcmp(m->dst, path) == 0) {
		*ret_st = (struct stat){ .st_mode = S_IFLNK };
		*ret_mount = m;
		return 0;
	} else if (*w->done && !implied(c, path)) {
		return -ENOENT;
	}
	if (n < 0 || n >= PATH_MAX) {
		return -ENAMETOOLONG;
	}
	if (*host && lstat(host, ret_st) < 0) {
		return -errno;
	}
	*ret_mount = m;
	return 0;
}

static int link_text(const struct sl_mount *m, const char *host, char target[PATH_MAX])
{
	ssize_t n;

	if (!*host) {
		n = snprintf(target, PATH_MAX, "%s", m->src);
	} else {
		n = readlink(host, target, PATH_MAX - 1);
	}
	if (n < 0) {
		return -errno;
	}
	if (n >= PATH_MAX - 1) {
		return -ENAMETOOLONG;
	}
	target[n] = '\0';
	return 0;
}

/* Take the first component of w->rest over to w->done; false at the end. */
static bool step(struct walk *w)
{
	char *p = w->rest + strspn(w->rest, "/"), *up;
	size_t len = strcspn(p, "/"), have = strlen(w->done);

	if (len == 0) {
		return false;
	}
	if (len == 2 && p[0] == '.' && p[1] == '.') {
		up = strrchr(w->done, '/');
		if (up) {
			*up = '\0';
		}
	} else if (!(len == 1 && p[0] == '.') && have + 1 + len < sizeof(w->done)) {
		w->done[have] = '/';
		memcpy(w->done + have + 1, p, len);
		w->done[have + 1 + len] = '\0';
	}
	memmove(w->rest, p + len, strlen(p + len) + 1);
	return true;
}

int sl_container_resolve(const struct sl_container *c, const char *path, char **ret_host,
	const struct sl_mount **ret_mount)
{
	const struct sl_mount *m = NULL;
	char host[PATH_MAX] = "", target[PATH_MAX];
	struct walk w = {};
	struct stat st;
	int r = 0;

	if (strlen(path) >= sizeof(w.rest)) {
		return -ENAMETOOLONG;
	}
	strcpy(w.rest, path);
	if (ret_mount) {
		*ret_mount = NULL;
	}
	while (r == 0 && step(&w)) {
		r = locate(c, &w, host, &st, &m);
		if (r == 0 && S_ISLNK(st.st_mode)) {
			r = link_text(m, host, target);
			r = r < 0 ? r : follow(&w, target);
		} else if (r == 0 && !S_ISDIR(st.st_mode) && w.rest[strspn(w.rest, "/")]) {
			r = -ENOTDIR;
		}
		if (r == 0 && ret_mount) {
			*ret_mount = m;
		}
	}
	if (r == 0) {
		r = locate(c, &w, host, &st, &m);
	}
	if (r == 0) {
		*ret_host = *host ? strdup(host) : NULL;
		r = *host && !*ret_host ? -ENOMEM : 0;
	}
	return r;
}

static int check_file(const struct sl_container *c, const char *path, const char *command)
{
	_cleanup_free_ char *host = NULL;
	struct stat st = { .st_mode = S_IFDIR };
	int r = sl_container_resolve(c, path, &host, NULL);

	if (r < 0 || (host && stat(host, &st) < 0)) {
		return SL_EXIT_NOT_FOUND;
	}
	if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, host, X_OK, AT_EACCESS) < 0) {
		return SL_EXIT_CANNOT_EXEC;
	}
	return SL_EXIT_OK;
}

static int search_path(const struct sl_container *c, const char *command)
{
	const char *path = sl_container_getenv(c, "PATH");
	_cleanup_free_ char *dirs = strdup(path ? path : "/usr/bin:/bin");
	int result = SL_EXIT_NOT_FOUND;
	char *save = NULL;

	if (!dirs) {
		return SL_EXIT_OK;
	}
	for (char *d = strtok_r(dirs, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		char full[PATH_MAX];
		int r;

		snprintf(full, sizeof(full), "%s/%s", d, command);
		r = check_file(c, full, command);
		if (r == SL_EXIT_OK) {
			return r;
		}
		result = r == SL_EXIT_CANNOT_EXEC ? r : result;
	}
	return result;
}

int sl_container_check_command(const struct sl_container *c, const char *command)
{
	char full[PATH_MAX];
	int r;

	if (strchr(command, '/')) {
		snprintf(full, sizeof(full), "%s/%s", *command == '/' ? "" : c->workdir, command);
		r = check_file(c, full, command);
	} else {
		r = search_path(c, command);
	}
	if (r == SL_EXIT_NOT_FOUND) {
		sl_cli_error("%s: there is no such program in the container: install it in the "
			     "root, or show its folder with --bind-ro",
			command);
	} else if (r == SL_EXIT_CANNOT_EXEC) {
		sl_cli_error("%s: no executable file: give a program, or make it one with chmod +x",
			command);
	}
	return r;
}
