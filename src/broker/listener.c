/* SPDX-License-Identifier: MIT */
/*
 * Accepting. Out of fds (EMFILE) or of kernel memory, the connection stays in the backlog and
 * the socket stays readable: without a pause the loop would spin on it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "broker/broker.h"
#include "broker/listener.h"
#include "util/fds.h"

/* A flood of connections must not keep control and the watchdog from their turn. */
#define ACCEPTS_PER_TURN 16
#define PAUSE_US (200 * 1000ull)

struct sl_listener {
	int fd;
	sd_event_source *source, *pause;
	void (*accepted)(void *user, int fd);
	void *user;
	bool busy, dead; /* freed inside a callback: the memory goes when that returns */
};

static int on_pause_over(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_listener *l = user;

	sl_event_source_unrefp(&l->pause);
	sd_event_source_set_enabled(l->source, SD_EVENT_ON);
	return 0;
}

static void pause_accepting(struct sl_listener *l)
{
	int r;

	sl_warn("accept: %m: no more connections until something is freed, they wait");
	r = sd_event_add_time_relative(sd_event_source_get_event(l->source), &l->pause,
		CLOCK_MONOTONIC, PAUSE_US, 1000, on_pause_over, l);
	if (r >= 0) {
		sd_event_source_set_enabled(l->source, SD_EVENT_OFF);
	}
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	struct sl_listener *l = user;

	l->busy = true;
	for (unsigned int i = 0; i < ACCEPTS_PER_TURN && !l->dead; i++) {
		int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (conn >= 0) {
			l->accepted(l->user, conn);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accepting(l);
			break;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			break;
		}
	}
	l->busy = false;
	if (l->dead) {
		free(l);
	}
	return 0;
}

int sl_listener_new(sd_event *event, int fd, void (*accepted)(void *user, int fd), void *user,
	struct sl_listener **ret)
{
	struct sl_listener *l = calloc(1, sizeof(*l));
	int r;

	if (!l) {
		sl_close(fd);
		return -ENOMEM;
	}
	*l = (struct sl_listener){ .fd = fd, .accepted = accepted, .user = user };
	r = sd_event_add_io(event, &l->source, fd, EPOLLIN, on_readable, l);
	if (r < 0) {
		sl_listener_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct sl_listener *sl_listener_free(struct sl_listener *l)
{
	if (l) {
		sl_event_source_unrefp(&l->source);
		sl_event_source_unrefp(&l->pause);
		l->fd = sl_close(l->fd);
		l->dead = true;
		if (!l->busy) {
			free(l);
		}
	}
	return NULL;
}
