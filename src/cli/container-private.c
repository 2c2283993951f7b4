/* SPDX-License-Identifier: MIT */
/*
 * A place for sockets and frames that several containers of one `sluice run` share. It is a tmpfs
 * in a mount namespace that only this process and its children are in, so that nothing is left
 * behind however this process ends, SIGKILL included.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/container.h"
#include "util/fds.h"

/* The tool's own processes never look there, and containers never see the host's /sys. */
static const char *const places[] = { "/sys/kernel", "/sys", "/mnt", "/srv" };

static int map_ids(uid_t uid, gid_t gid)
{
	char map[64];
	int r = sl_write_file("/proc/self/setgroups", "deny");

	/* Kernels without the file do not want it written. */
	if (r < 0 && r != -ENOENT) {
		return r;
	}
	snprintf(map, sizeof(map), "%u %u 1", (unsigned int)uid, (unsigned int)uid);
	r = sl_write_file("/proc/self/uid_map", map);
	if (r == 0) {
		snprintf(map, sizeof(map), "%u %u 1", (unsigned int)gid, (unsigned int)gid);
		r = sl_write_file("/proc/self/gid_map", map);
	}
	return r;
}

static int enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS) == 0) {
		return 0;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		return -errno;
	}
	return map_ids(uid, gid);
}

static int mount_tmpfs(const char **ret_place)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return -errno;
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(places); i++) {
		struct stat st;

		if (stat(places[i], &st) < 0 || !S_ISDIR(st.st_mode)) {
			continue;
		}
		if (mount("sluice-run", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			    "mode=0700,size=256m") < 0) {
			return -errno;
		}
		*ret_place = places[i];
		return 0;
	}
	return -ENOENT;
}

int sl_container_private_dir(char **ret_path)
{
	const char *place = NULL;
	int r = enter();

	if (r == 0) {
		r = mount_tmpfs(&place);
	}
	if (r == 0) {
		*ret_path = strdup(place);
		r = *ret_path ? 0 : -ENOMEM;
	}
	if (r < 0) {
		sl_cli_error("display: no mount namespace for it: %s: run without --display, or "
			     "where user namespaces are allowed",
			strerror(-r));
		return SL_EXIT_RUN_FAILED;
	}
	return SL_EXIT_OK;
}
