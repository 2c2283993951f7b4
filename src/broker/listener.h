/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

/* A listening socket. Running out of fds makes it pause, not spin: clients wait in the backlog. */
struct sl_listener;

/* Takes @fd, also on failure. @accepted takes the connection's fd. 0 or -errno. */
int sl_listener_new(sd_event *event, int fd, void (*accepted)(void *user, int fd), void *user,
	struct sl_listener **ret);
/* Closes the socket at once. May be called from @accepted. */
struct sl_listener *sl_listener_free(struct sl_listener *l);
