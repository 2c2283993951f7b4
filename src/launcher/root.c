/* SPDX-License-Identifier: MIT */
/*
 * The root directory of a zygote: a small tmpfs with the host's /usr and the renderer's
 * configuration bound into it read-only, four device nodes, the GPU's node and its sysfs
 * directory if there is one; no /proc, no other /sys, nothing of /etc, /home, /run, /tmp.
 *
 * In two steps, since the user changes between them: sl_root_open() takes a path handle of every
 * source as the broker's user, sl_root_build() mounts those handles as the user inside.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "launcher/private.h"
#include "util/cleanup.h"

/* Bound for a configuration: /usr, /etc's few, /dev's few, a GPU's, and the `binds` option. */
#define MAX_ENTRIES 128

enum bind_kind {
	BIND_FILES = 1u << 0,    /* nosuid, nodev, read-only */
	BIND_DEVICE = 1u << 1,   /* nosuid, noexec, read-only; the node itself can be written */
	BIND_DATA = 1u << 2,     /* BIND_FILES and noexec */
	BIND_OPTIONAL = 1u << 3, /* a source that is not there is no error */
};

struct entry {
	char path[256]; /* the same outside and inside */
	char link[256]; /* not empty: a symbolic link instead of a bind */
	int fd;         /* O_PATH handle of the source */
	bool directory;
	unsigned int kind;
};

struct sl_root {
	struct entry entries[MAX_ENTRIES];
	size_t n;
};

static struct entry *add_entry(struct sl_root *r, const char *path)
{
	struct entry *e = &r->entries[r->n];

	if (r->n == MAX_ENTRIES) {
		sl_child_fail(SL_START_OPEN, E2BIG, path);
	}
	if (path[0] != '/' || strlen(path) >= sizeof(e->path)) {
		sl_child_fail(SL_START_OPEN, path[0] == '/' ? ENAMETOOLONG : EINVAL, path);
	}
	snprintf(e->path, sizeof(e->path), "%s", path);
	e->fd = -1;
	r->n++;
	return e;
}

static void add_bind(struct sl_root *r, const char *path, unsigned int kind)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	struct entry *e;

	if (fd < 0 && (kind & BIND_OPTIONAL) && (errno == ENOENT || errno == EACCES)) {
		return;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		sl_child_fail(SL_START_OPEN, errno, path);
	}
	e = add_entry(r, path);
	e->fd = fd;
	e->directory = S_ISDIR(st.st_mode);
	e->kind = kind;
}

static bool add_link(struct sl_root *r, const char *path)
{
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	struct entry *e;

	if (n < 0) {
		return false;
	}
	target[n] = '\0';
	e = add_entry(r, path);
	memcpy(e->link, target, (size_t)n + 1);
	return true;
}

/* /lib and its like: links into /usr on a merged system, directories elsewhere. */
static void add_system(struct sl_root *r)
{
	static const char *const merged[] = { "/lib", "/lib64", "/lib32", "/libx32", "/bin",
		"/sbin" };
	static const char *const config[] = { "/etc/ld.so.cache", "/etc/alternatives", "/etc/glvnd",
		"/etc/egl", "/etc/drirc", "/etc/vulkan", "/etc/nvidia" };

	add_bind(r, "/usr", BIND_FILES);
	for (size_t i = 0; i < SL_ARRAY_LEN(merged); i++) {
		if (!add_link(r, merged[i])) {
			add_bind(r, merged[i], BIND_FILES | BIND_OPTIONAL);
		}
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(config); i++) {
		add_bind(r, config[i], BIND_DATA | BIND_OPTIONAL);
	}
	add_bind(r, "/dev/null", BIND_DEVICE);
	add_bind(r, "/dev/zero", BIND_DEVICE);
	add_bind(r, "/dev/urandom", BIND_DEVICE);
	add_bind(r, "/dev/random", BIND_DEVICE | BIND_OPTIONAL);
#ifdef SLUICE_SANITIZED
	/* The sanitizers' runtimes read /proc/self/maps when they start. */
	add_bind(r, "/proc", BIND_DATA);
#endif
}

/* What libdrm reads to find the driver of a node: /sys/dev/char/226:128 and its device. */
static void add_sysfs(struct sl_root *r, const char *node)
{
	char path[128], device[160], real[4096];
	struct stat st;

	if (stat(node, &st) < 0 || !S_ISCHR(st.st_mode)) {
		sl_child_fail(SL_START_OPEN, S_ISCHR(st.st_mode) ? errno : ENODEV, node);
	}
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	snprintf(device, sizeof(device), "%s/device", path);
	if (add_link(r, path) && realpath(device, real)) {
		add_bind(r, real, BIND_DATA);
	}
}

static void add_nvidia(struct sl_root *r)
{
	glob_t g = { 0 };

	if (glob("/dev/nvidia*", 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++) {
			struct stat st;

			if (stat(g.gl_pathv[i], &st) == 0 && S_ISCHR(st.st_mode)) {
				add_bind(r, g.gl_pathv[i], BIND_DEVICE | BIND_OPTIONAL);
			}
		}
	}
	globfree(&g);
}

static bool below_usr(const char *path)
{
	return strncmp(path, "/usr/", 5) == 0;
}

struct sl_root *sl_root_open(const struct sl_launch_options *o)
{
	const char *libraries[] = { o->egl_library, o->gles_library };
	struct sl_root *r = calloc(1, sizeof(*r));

	if (!r) {
		sl_child_fail(SL_START_OPEN, ENOMEM, "the sandbox's root");
	}
	add_system(r);
	if (o->render_node) {
		add_bind(r, o->render_node, BIND_DEVICE);
		add_sysfs(r, o->render_node);
		add_nvidia(r);
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(libraries); i++) {
		const char *l = libraries[i];

		/* A bare name is found by the loader, under /usr. */
		if (l && l[0] == '/' && !below_usr(l)) {
			add_bind(r, l, BIND_FILES);
		}
	}
	for (size_t i = 0; o->binds && o->binds[i]; i++) {
		/* Named on purpose: devices in it work, and what is missing is an error. */
		add_bind(r, o->binds[i],
			strncmp(o->binds[i], "/dev/", 5) == 0 ? BIND_DEVICE : BIND_FILES);
	}
	return r;
}

/* Directories above @path, below the present one. */
static void make_parents(const char *path)
{
	char partial[256];

	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(partial, sizeof(partial), "%.*s", (int)(p - path), path);
		if (mkdir(partial, 0755) < 0 && errno != EEXIST) {
			sl_child_fail(SL_START_MOUNT, errno, partial);
		}
	}
}

static void make_target(const struct entry *e, const char *path)
{
	int fd;

	if (e->directory) {
		if (mkdir(path, 0755) < 0 && errno != EEXIST) {
			sl_child_fail(SL_START_MOUNT, errno, path);
		}
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0) {
		sl_child_fail(SL_START_MOUNT, errno, path);
	}
	close(fd);
}

static unsigned long flags_of(unsigned int kind)
{
	unsigned long flags = MS_RDONLY | MS_NOSUID;

	if (kind & (BIND_FILES | BIND_DATA)) {
		flags |= MS_NODEV;
	}
	if (kind & (BIND_DEVICE | BIND_DATA)) {
		flags |= MS_NOEXEC;
	}
	return flags;
}

/* Before Linux 5.12: the top only, keeping the flags that a user namespace may not drop. */
static int restrict_top(const char *path, unsigned long flags)
{
	struct statvfs st;

	if (statvfs(path, &st) < 0) {
		return -errno;
	}
	flags |= st.f_flag & ST_NOSUID ? MS_NOSUID : 0;
	flags |= st.f_flag & ST_NODEV ? MS_NODEV : 0;
	flags |= st.f_flag & ST_NOEXEC ? MS_NOEXEC : 0;
	flags |= st.f_flag & ST_NOATIME ? MS_NOATIME : 0;
	flags |= st.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0;
	flags |= st.f_flag & ST_RELATIME ? MS_RELATIME : 0;
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0 ? -errno : 0;
}

static int restrict_mount(const char *path, unsigned long flags)
{
	struct mount_attr attr = {
		.attr_set = (flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0) |
			    (flags & MS_NOSUID ? MOUNT_ATTR_NOSUID : 0) |
			    (flags & MS_NODEV ? MOUNT_ATTR_NODEV : 0) |
			    (flags & MS_NOEXEC ? MOUNT_ATTR_NOEXEC : 0),
	};

	if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof(attr)) == 0) {
		return 0;
	}
	return errno == ENOSYS ? restrict_top(path, flags) : -errno;
}

static void place(const struct entry *e)
{
	const char *path = e->path + 1; /* relative to the new root, which we are in */
	char source[64];
	int r;

	make_parents(path);
	if (e->link[0]) {
		if (symlink(e->link, path) < 0 && errno != EEXIST) {
			sl_child_fail(SL_START_MOUNT, errno, e->path);
		}
		return;
	}
	make_target(e, path);
	snprintf(source, sizeof(source), "/proc/self/fd/%d", e->fd);
	if (mount(source, path, NULL, MS_BIND | MS_REC, NULL) < 0) {
		sl_child_fail(SL_START_MOUNT, errno, e->path);
	}
	r = restrict_mount(path, flags_of(e->kind));
	if (r < 0) {
		sl_child_fail(SL_START_MOUNT, -r, e->path);
	}
	close(e->fd);
}

/* Where workers with nothing more to open will live: empty, read-only, no room for an inode. */
static void place_empty(void)
{
	if (mkdir("empty", 0555) < 0 ||
		mount("sluice", "empty", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
			"mode=0555,size=4k,nr_inodes=1") < 0) {
		sl_child_fail(SL_START_MOUNT, errno, "/empty");
	}
}

static void pivot(void)
{
	int r;

	/* The old root comes to lie on top of the new one, and is taken off there. */
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		sl_child_fail(SL_START_PIVOT, errno, "pivot_root");
	}
	if (umount2(".", MNT_DETACH) < 0) {
		sl_child_fail(SL_START_PIVOT, errno, "umount of the old root");
	}
	if (chdir("/") < 0) {
		sl_child_fail(SL_START_PIVOT, errno, "chdir /");
	}
	/* Alone, not AT_RECURSIVE: the mounts below have their own flags. */
	r = restrict_top("/", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
	if (r < 0) {
		sl_child_fail(SL_START_PIVOT, -r, "read-only root");
	}
}

/*
 * Somewhere to assemble it, that nothing is bound from: what a mount there hides is not needed,
 * and everything else is reached through the handles.
 */
static void enter_base(void)
{
	static const char *const bases[] = { "/tmp", "/run", "/mnt" };

	for (size_t i = 0; i < SL_ARRAY_LEN(bases); i++) {
		if (mount("sluice", bases[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			    "mode=0755,size=1m,nr_inodes=1024") == 0 &&
			chdir(bases[i]) == 0) {
			return;
		}
	}
	sl_child_fail(SL_START_MOUNT, errno, "tmpfs");
}

void sl_root_build(struct sl_root *r)
{
	umask(022);
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
		sl_child_fail(SL_START_MOUNT, errno, "making mounts private");
	}
	enter_base();
	for (size_t i = 0; i < r->n; i++) {
		place(&r->entries[i]);
	}
	place_empty();
	pivot();
	free(r);
}
