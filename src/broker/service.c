/* SPDX-License-Identifier: MIT */
/* systemd's protocols for services: socket activation and notification. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <systemd/sd-daemon.h>

#include "broker/broker.h"
#include "broker/pool.h"
#include "broker/service.h"
#include "util/error.h"
#include "util/fds.h"

static void socket_path(int fd, char *path, size_t size)
{
	struct sockaddr_un sa = {};
	socklen_t len = sizeof(sa) - 1;

	path[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && sa.sun_family == AF_UNIX) {
		snprintf(path, size, "%s", sa.sun_path);
	}
}

static bool is_called(const char *name, const char *path, const char *want)
{
	const char *slash = strrchr(path, '/');

	return strcmp(name, want) == 0 || (slash && strcmp(slash + 1, want) == 0);
}

static int take_socket(int fd, const char *name, int *ret_control, int *ret_vtest, char **ret_error)
{
	char path[128];
	int *at;

	socket_path(fd, path, sizeof(path));
	if (is_called(name, path, "control")) {
		at = ret_control;
	} else if (is_called(name, path, "vtest")) {
		at = ret_vtest;
	} else {
		return sl_error_line(ret_error, -EINVAL,
			"socket activation: what is %s (%s)?: set FileDescriptorName= to control "
			"or vtest",
			name, path);
	}
	if (*at >= 0 || sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
		return sl_error_line(ret_error, -EINVAL,
			"socket activation: %s: give one listening stream socket of this name",
			name);
	}
	*at = fd;
	return sl_set_nonblock(fd, true);
}

int sl_service_sockets(int *ret_control, int *ret_vtest, char **ret_error)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(true, &names), r = 0;

	*ret_control = *ret_vtest = -1;
	for (int i = 0; i < n && r == 0; i++) {
		r = take_socket(
			SD_LISTEN_FDS_START + i, names[i], ret_control, ret_vtest, ret_error);
	}
	for (int i = 0; i < n; i++) {
		free(names[i]);
	}
	free(names);
	return n < 0 ? sl_error_line(ret_error, n, "socket activation: %s", strerror(-n)) : r;
}

static void notify(const struct sl_broker *b, const char *prefix)
{
	const struct sl_ctl_renderer *r = &b->pool->renderer;

	sd_notifyf(0, "%sSTATUS=%u session%s, renderer %s%s", prefix, b->n_sessions,
		b->n_sessions == 1 ? "" : "s", *r->name ? r->name : "not started yet",
		r->software ? " (software)" : "");
}

void sl_service_ready(const struct sl_broker *b)
{
	notify(b, "READY=1\n");
}

void sl_service_status(const struct sl_broker *b)
{
	notify(b, "");
}

void sl_service_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=ending sessions");
}
