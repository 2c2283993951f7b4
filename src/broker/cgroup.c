/* SPDX-License-Identifier: MIT */
/*
 * Cgroups of domains. Only version 2, and only below a group that was delegated to us: writing
 * into anybody else's tree would fight with its owner. systemd marks a delegated group with an
 * extended attribute. Memory and CPU are then accounted per domain, and a domain's processes are
 * seen together; limits in them are a later matter, the worker's own meter comes first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <linux/magic.h>

#include "broker/cgroup.h"
#include "broker/identity.h"
#include "util/fds.h"
#include "util/log.h"

static const char *mount_point(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < SL_ARRAY_LEN(places); i++) {
		if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
			return places[i];
		}
	}
	return NULL;
}

static char *own_path(void)
{
	_cleanup_free_ char *text = NULL;
	const char *mount = mount_point(), *line;
	char *path;

	if (!mount || sl_read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) < 0) {
		return NULL;
	}
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line) {
		return NULL;
	}
	line = strchr(line, '/');
	if (!line || asprintf(&path, "%s%.*s", mount, (int)strcspn(line, "\n"), line) < 0) {
		return NULL;
	}
	return path;
}

static bool delegated(const char *path)
{
	static const char *const names[] = { "trusted.delegate", "user.delegate" };
	char value[8];

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (getxattr(path, names[i], value, sizeof(value)) == 1 && value[0] == '1') {
			return true;
		}
	}
	return false;
}

static int write_at(const char *folder, const char *file, const char *text)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/%s", folder, file) < 0) {
		return -ENOMEM;
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Controllers reach children only from a group that has no process of its own. */
static void make_room(struct sl_cgroup *cg)
{
	static const char *const controllers[] = { "+memory", "+cpu", "+pids" };
	_cleanup_free_ char *leaf = NULL;

	if (asprintf(&leaf, "%s/broker", cg->path) < 0 ||
		(mkdir(leaf, 0755) < 0 && errno != EEXIST) ||
		write_at(leaf, "cgroup.procs", "0") < 0) {
		return;
	}
	cg->moved = true;
	for (size_t i = 0; i < SL_ARRAY_LEN(controllers); i++) {
		write_at(cg->path, "cgroup.subtree_control", controllers[i]);
	}
}

void sl_cgroup_init(struct sl_cgroup *cg, enum sl_config_cgroup mode)
{
	*cg = (struct sl_cgroup){};
	if (mode == SL_CGROUP_OFF) {
		return;
	}
	cg->path = own_path();
	if (cg->path && (mode == SL_CGROUP_ON || delegated(cg->path))) {
		make_room(cg);
		return;
	}
	if (mode == SL_CGROUP_ON) {
		sl_warn("cgroup=on: no cgroup v2 here, workers stay in the broker's group");
	}
	free(cg->path);
	cg->path = NULL;
}

static char *domain_path(const struct sl_cgroup *cg, const char *domain)
{
	char *path;

	return asprintf(&path, "%s/domain-%s", cg->path, domain) < 0 ? NULL : path;
}

void sl_cgroup_attach(struct sl_cgroup *cg, const char *domain, pid_t pid)
{
	_cleanup_free_ char *path = cg->path ? domain_path(cg, domain) : NULL;
	char text[32];
	int r = 0;

	if (!path) {
		return;
	}
	snprintf(text, sizeof(text), "%d", (int)pid);
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		r = -errno;
	}
	if (r == 0) {
		r = write_at(path, "cgroup.procs", text);
	}
	if (r < 0) {
		sl_debug("%s: worker %d not moved: %s", path, (int)pid, strerror(-r));
	}
}

void sl_cgroup_remove(struct sl_cgroup *cg, const char *domain)
{
	_cleanup_free_ char *path = cg->path ? domain_path(cg, domain) : NULL;

	if (path) {
		rmdir(path);
	}
}

void sl_cgroup_fini(struct sl_cgroup *cg)
{
	_cleanup_free_ char *leaf = NULL;

	/* Back to where we were, so that our folder can go: a service manager expects that. */
	if (cg->moved && asprintf(&leaf, "%s/broker", cg->path) >= 0) {
		write_at(cg->path, "cgroup.subtree_control", "-memory -cpu -pids");
		write_at(cg->path, "cgroup.procs", "0");
		rmdir(leaf);
	}
	free(cg->path);
	*cg = (struct sl_cgroup){};
}
