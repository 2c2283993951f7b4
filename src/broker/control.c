/* SPDX-License-Identifier: MIT */
/*
 * The control socket's server. Whoever may connect administers the broker (root or the broker's
 * own user; checked twice, by the socket's mode and by SO_PEERCRED), but a tool that is stopped or
 * mad must not stop the loop: buffers are bounded, and while a reply waits to be read no further
 * request of that peer is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "broker/broker.h"
#include "broker/control.h"
#include "broker/domain.h"
#include "broker/listener.h"
#include "util/fds.h"

/* `sluice run` holds one for as long as its command runs. */
#define PEERS_MAX 512

static void process(struct sl_peer *p);

struct sl_peer *sl_peer_free(struct sl_peer *p)
{
	struct sl_broker *b = p->broker;

	sl_list_remove(&p->link);
	b->n_peers--;
	sl_event_source_unrefp(&p->source);
	sl_close(p->fd);
	sl_close(p->passed_fd);
	free(p->out);
	if (!b->stopping) {
		sl_domain_owner_gone(b, p);
	}
	free(p);
	sl_broker_changed(b);
	sl_broker_check_stopped(b);
	return NULL;
}

static void want(struct sl_peer *p, uint32_t events)
{
	sd_event_source_set_io_events(p->source, events);
}

/* Send what is left. 1: done, 0: later, -errno: the peer is gone. */
static int flush(struct sl_peer *p)
{
	while (p->out_done < p->out_len) {
		ssize_t n = send(p->fd, p->out + p->out_done, p->out_len - p->out_done,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == EAGAIN ? 0 : -errno;
		}
		p->out_done += (size_t)n;
	}
	free(p->out);
	p->out = NULL;
	return p->closing ? -ESHUTDOWN : 1;
}

/* Takes @line over. */
static int reply(struct sl_peer *p, char *line)
{
	if (!line) {
		return -ENOMEM;
	}
	p->out = line;
	p->out_len = strlen(line);
	p->out_done = 0;
	return flush(p);
}

static int reply_too_long(struct sl_peer *p)
{
	p->closing = true;
	return reply(p, sl_control_encode_error(NULL, SL_CONTROL_BAD_REQUEST,
				"a request has at most 65536 bytes, with its line feed"));
}

/* Handle complete lines until a reply has to wait. Frees @p when the peer is gone. */
static void process(struct sl_peer *p)
{
	int r = 1;

	while (r > 0) {
		char *lf = memchr(p->in, '\n', p->in_len);
		size_t len = lf ? (size_t)(lf - p->in) : 0;

		if (!lf) {
			r = p->in_len == sizeof(p->in) ? reply_too_long(p) : 1;
			break;
		}
		r = reply(p, sl_control_handle(p, p->in, len));
		memmove(p->in, lf + 1, p->in_len - len - 1);
		p->in_len -= len + 1;
		/* What a request did not use is nobody's. */
		p->passed_fd = sl_close(p->passed_fd);
	}
	if (r < 0) {
		sl_peer_free(p);
		return;
	}
	want(p, r == 0 ? EPOLLOUT : EPOLLIN);
}

static int receive(struct sl_peer *p)
{
	int fds[SL_MAX_FDS];
	size_t n_fds = 0;
	ssize_t n;

	n = sl_recvmsg_fds(
		p->fd, p->in + p->in_len, sizeof(p->in) - p->in_len, fds, &n_fds, NULL, 0);
	if (n == -EAGAIN) {
		return 0;
	}
	if (n <= 0) {
		return n < 0 ? (int)n : -ECONNRESET;
	}
	if (n_fds == 1 && p->passed_fd < 0) {
		p->passed_fd = fds[0];
	} else {
		sl_close_many(fds, n_fds);
	}
	p->in_len += (size_t)n;
	return 1;
}

static int on_peer(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	struct sl_peer *p = user;
	int r;

	if (p->out) {
		r = revents & (EPOLLHUP | EPOLLERR) ? -ECONNRESET : flush(p);
	} else {
		r = receive(p);
	}
	if (r > 0) {
		process(p);
	} else if (r < 0) {
		sl_peer_free(p);
	}
	return 0;
}

static bool may_administer(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

static void on_connection(void *user, int fd)
{
	struct sl_broker *b = user;
	struct sl_peer *p;

	if (!may_administer(fd) || b->n_peers >= PEERS_MAX || b->stopping) {
		sl_warn("control: connection refused: %s",
			b->n_peers >= PEERS_MAX ? "too many" : "not root and not our user");
		sl_close(fd);
		return;
	}
	p = malloc(sizeof(*p));
	if (!p) {
		sl_close(fd);
		return;
	}
	p->broker = b;
	p->fd = fd;
	p->source = NULL;
	p->in_len = 0;
	p->out = NULL;
	p->out_len = p->out_done = 0;
	p->passed_fd = -1;
	p->closing = false;
	sl_list_append(&b->peers, &p->link);
	b->n_peers++;
	if (sd_event_add_io(b->event, &p->source, fd, EPOLLIN, on_peer, p) < 0) {
		sl_peer_free(p);
		return;
	}
	sl_broker_changed(b);
}

int sl_control_start(struct sl_broker *b, int fd, char **ret_error)
{
	int r;

	if (fd < 0) {
		fd = sl_directory_listen(&b->dir, "control", (uid_t)-1, (gid_t)-1, 0600);
	}
	r = fd < 0 ? fd : sl_listener_new(b->event, fd, on_connection, b, &b->control);
	if (r < 0 && asprintf(ret_error, "%s/control: %s: choose another --directory", b->dir.path,
			     strerror(-r)) < 0) {
		*ret_error = NULL;
	}
	return r;
}

void sl_control_stop(struct sl_broker *b)
{
	struct sl_peer *p, *tmp;

	b->control = sl_listener_free(b->control);
	sl_list_for_each_safe (p, tmp, &b->peers, link) {
		/* The one that asked for the end gets its answer from flush(). */
		if (p->out) {
			p->closing = true;
		} else {
			shutdown(p->fd, SHUT_RD);
		}
	}
}
