/* SPDX-License-Identifier: MIT */
/*
 * What a container sees of the file system. The rule a user can keep in mind: a root, read-only;
 * /tmp, /var/tmp, /run and home folders are empty and writable and go with the container; devices
 * and processes are its own. What lies in a home folder is nobody's business but the caller's,
 * save the current directory and what --bind names.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/container.h"

/* Entries of a root that the container replaces, or (sys, lost+found) does without. */
static bool own_entry(const char *name)
{
	static const char *const names[] = { ".", "..", "dev", "proc", "sys", "tmp", "run", "home",
		"root", "lost+found" };

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void add_entry(struct sl_container *c, int dir, const char *root, const char *name)
{
	char src[PATH_MAX], dst[NAME_MAX + 2], text[PATH_MAX];
	struct stat st;
	ssize_t n;

	snprintf(dst, sizeof(dst), "/%s", name);
	snprintf(src, sizeof(src), "%s/%s", strcmp(root, "/") == 0 ? "" : root, name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return;
	}
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) {
		sl_container_mount(c, SL_MOUNT_RO_BIND, src, dst);
	} else if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			sl_container_mount(c, SL_MOUNT_SYMLINK, text, dst);
		}
	}
}

static int add_entries(struct sl_container *c, const char *root)
{
	_cleanup_closedir_ DIR *d = opendir(root);
	size_t before = c->n_mounts;
	struct dirent *e;

	if (!d) {
		return -errno;
	}
	while ((e = readdir(d))) {
		if (!own_entry(e->d_name)) {
			add_entry(c, dirfd(d), root, e->d_name);
		}
	}
	return c->n_mounts > before ? 0 : -ENODATA;
}

/* Is there a real folder, that is, one a tmpfs can be mounted on? */
static bool has_folder(const struct sl_container *c, const char *path)
{
	_cleanup_free_ char *host = NULL;
	struct stat st;

	return sl_container_resolve(c, path, &host, NULL) == 0 && host && lstat(host, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* Hide the caller's home, wherever it is, and give the container one. */
static void add_home(struct sl_container *c, const char *home)
{
	const struct sl_mount *m = NULL;
	_cleanup_free_ char *host = NULL;

	if (home && *home == '/' && strlen(home) > 1 && !strstr(home, "/..")) {
		sl_container_resolve(c, home, &host, &m);
		if (m && m->kind == SL_MOUNT_TMPFS) {
			sl_container_mount(c, SL_MOUNT_DIR, NULL, home);
		} else if (strchr(home + 1, '/') && has_folder(c, home)) {
			sl_container_mount(c, SL_MOUNT_TMPFS, NULL, home);
		} else {
			home = "/tmp";
		}
	} else {
		home = "/tmp";
	}
	sl_container_setenv(c, "HOME", home);
}

static int root_error(const char *rootfs, int r)
{
	if (r == -ENODATA) {
		sl_cli_error("%s: an empty folder is no root: unpack an image there, or make one "
			     "with mmdebstrap",
			rootfs);
	} else {
		sl_cli_error("%s: %s: give --rootfs the folder of an unpacked image that you may "
			     "read",
			rootfs, strerror(-r));
	}
	return SL_EXIT_RUN_FAILED;
}

int sl_container_add_root(struct sl_container *c, const char *rootfs, const char *home)
{
	static const char *const writable[] = { "/tmp", "/run", "/home", "/root" };
	_cleanup_free_ char *root = rootfs ? realpath(rootfs, NULL) : strdup("/");
	char runtime[64];
	int r = root ? add_entries(c, root) : -errno;

	if (r < 0) {
		return root_error(rootfs ? rootfs : "/", r);
	}
	sl_container_mount(c, SL_MOUNT_DEV, NULL, "/dev");
	sl_container_mount(c, SL_MOUNT_PROC, NULL, "/proc");
	for (size_t i = 0; i < SL_ARRAY_LEN(writable); i++) {
		sl_container_mount(c, SL_MOUNT_TMPFS, NULL, writable[i]);
	}
	if (has_folder(c, "/var/tmp")) {
		sl_container_mount(c, SL_MOUNT_TMPFS, NULL, "/var/tmp");
	}
	add_home(c, home);
	snprintf(runtime, sizeof(runtime), "/run/user/%u", (unsigned int)getuid());
	sl_container_mount(c, SL_MOUNT_DIR, NULL, runtime);
	sl_container_setenv(c, "XDG_RUNTIME_DIR", runtime);
	return SL_EXIT_OK;
}

/* Would a mount at @dst have to make a folder in a tree that is not the container's own? */
static int check_destination(
	const struct sl_container *c, const char *option, const char *src, const char *dst)
{
	const struct sl_mount *m;
	_cleanup_free_ char *host = NULL;
	struct stat from, to = { .st_mode = S_IFDIR };
	int r = sl_container_resolve(c, dst, &host, &m);

	if (*dst != '/' || strcmp(dst, "/") == 0 || strstr(dst, "/../")) {
		sl_cli_error("%s %s:%s: no place in the container: give an absolute path such as "
			     "/mnt/data",
			option, src, dst);
		return SL_EXIT_RUN_FAILED;
	}
	if (r < 0 && m && (m->kind == SL_MOUNT_RO_BIND || m->kind == SL_MOUNT_BIND)) {
		sl_cli_error("%s %s:%s: the container's root has no such path and is read-only: "
			     "choose one that exists, or one under /tmp, /run or /home",
			option, src, dst);
		return SL_EXIT_RUN_FAILED;
	}
	if (r == 0 && (!host || stat(host, &to) == 0) && stat(src, &from) == 0 &&
		S_ISDIR(from.st_mode) != S_ISDIR(to.st_mode)) {
		sl_cli_error("%s %s:%s: a folder goes only onto a folder, a file onto a file: "
			     "choose another path",
			option, src, dst);
		return SL_EXIT_RUN_FAILED;
	}
	return SL_EXIT_OK;
}

int sl_container_add_bind(
	struct sl_container *c, const char *option, const char *arg, bool read_only)
{
	_cleanup_free_ char *src = NULL, *given = strdup(arg);
	char *dst;
	size_t len;
	int r;

	if (!given) {
		c->out_of_memory = true;
		return SL_EXIT_OK;
	}
	dst = strchr(given, ':');
	if (dst) {
		*dst++ = '\0';
	}
	src = realpath(given, NULL);
	if (!src) {
		sl_cli_error("%s %s: %m: give a file or folder of this machine", option, given);
		return SL_EXIT_RUN_FAILED;
	}
	if (!dst) {
		dst = *given == '/' && !strstr(given, "/..") ? given : src;
	}
	for (len = strlen(dst); len > 1 && dst[len - 1] == '/'; len--) {
		dst[len - 1] = '\0';
	}
	r = check_destination(c, option, src, dst);
	if (r == SL_EXIT_OK) {
		sl_container_mount(c, read_only ? SL_MOUNT_RO_BIND : SL_MOUNT_BIND, src, dst);
	}
	return r;
}

static void set_workdir(struct sl_container *c, const char *path)
{
	free(c->workdir);
	c->workdir = strdup(path);
	c->out_of_memory |= !c->workdir;
}

void sl_container_add_current_dir(struct sl_container *c)
{
	const struct sl_mount *m;
	_cleanup_free_ char *host = NULL, *cwd = getcwd(NULL, 0);
	int r = cwd ? sl_container_resolve(c, cwd, &host, &m) : -ENOENT;

	if (r == -ENOENT && cwd && *cwd == '/') {
		/* In a place that is hidden: only this folder of it is shown. */
		sl_container_mount(c, SL_MOUNT_RO_BIND, cwd, cwd);
		r = 0;
	}
	set_workdir(c, r == 0 ? cwd : "/");
}

int sl_container_set_workdir(struct sl_container *c, const char *path)
{
	_cleanup_free_ char *host = NULL;
	struct stat st = { .st_mode = S_IFDIR };
	int r = sl_container_resolve(c, path, &host, NULL);

	if (r == 0 && host && stat(host, &st) < 0) {
		r = -errno;
	}
	if (r < 0 || !S_ISDIR(st.st_mode) || *path != '/') {
		sl_cli_error(
			"--workdir %s: no such folder in the container: give an absolute path, "
			"or show it with --bind",
			path);
		return SL_EXIT_RUN_FAILED;
	}
	set_workdir(c, path);
	return SL_EXIT_OK;
}

void sl_container_add_resolver(struct sl_container *c)
{
	_cleanup_free_ char *host = NULL, *real = realpath("/etc/resolv.conf", NULL);

	/* Where it is a link into /run, which is the container's own. */
	if (real && sl_container_resolve(c, real, &host, NULL) == -ENOENT) {
		sl_container_mount(c, SL_MOUNT_RO_BIND, real, real);
	}
}
