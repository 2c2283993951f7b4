/* SPDX-License-Identifier: MIT */
/*
 * The caller's own display, when it was asked for by name. This hands the program everything that
 * X11 hands a client (other windows' contents, all key strokes): sluice-run(1) says so.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/display-host.h"

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void add_authority(struct sl_container *c)
{
	const char *given = getenv("XAUTHORITY"), *home = getenv("HOME");
	char path[PATH_MAX];

	if (given && *given) {
		snprintf(path, sizeof(path), "%s", given);
	} else {
		snprintf(path, sizeof(path), "%s/.Xauthority", home ? home : "");
	}
	if (access(path, R_OK) == 0) {
		sl_container_mount(c, SL_MOUNT_RO_BIND, path, "/tmp/.Xauthority");
		sl_container_setenv(c, "XAUTHORITY", "/tmp/.Xauthority");
	}
}

/* Local displays only: a forwarded one is TCP, which the container has with --share-net. */
static bool add_x11(struct sl_container *c)
{
	const char *display = getenv("DISPLAY");
	char path[64];
	unsigned int n;

	if (!display || !*display) {
		return false;
	}
	if (sscanf(display, ":%u", &n) == 1 || sscanf(display, "unix:%u", &n) == 1) {
		snprintf(path, sizeof(path), "/tmp/.X11-unix/X%u", n);
		if (!is_socket(path)) {
			return false;
		}
		sl_container_mount(c, SL_MOUNT_BIND, path, path);
	} else if (!c->share_net) {
		return false;
	}
	sl_container_setenv(c, "DISPLAY", display);
	add_authority(c);
	return true;
}

static bool add_wayland(struct sl_container *c)
{
	const char *display = getenv("WAYLAND_DISPLAY"), *dir = getenv("XDG_RUNTIME_DIR");
	char src[PATH_MAX], dst[PATH_MAX];

	if (!display || !*display) {
		return false;
	}
	snprintf(src, sizeof(src), "%s%s%s", *display == '/' || !dir ? "" : dir,
		*display == '/' ? "" : "/", display);
	if (!is_socket(src)) {
		return false;
	}
	snprintf(dst, sizeof(dst), "%s/wayland-0", sl_container_getenv(c, "XDG_RUNTIME_DIR"));
	sl_container_mount(c, SL_MOUNT_BIND, src, dst);
	sl_container_setenv(c, "WAYLAND_DISPLAY", "wayland-0");
	return true;
}

int sl_display_add_host(struct sl_container *c)
{
	bool x11 = add_x11(c), wayland = add_wayland(c);

	if (!x11 && !wayland) {
		sl_cli_error("--display=host: neither DISPLAY nor WAYLAND_DISPLAY names a local "
			     "display: run it in a graphical session, or use --display=x11");
		return SL_EXIT_RUN_FAILED;
	}
	/* The cookies in .Xauthority are filed under the host's name. */
	free(c->hostname);
	c->hostname = NULL;
	return SL_EXIT_OK;
}
