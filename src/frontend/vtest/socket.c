/* SPDX-License-Identifier: MIT */
/*
 * The Unix socket transport. Reads use recv(), so that fds a client may attach to its bytes are
 * dropped by the kernel and never reach us.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "frontend/transport.h"
#include "util/cleanup.h"
#include "util/fds.h"

struct sl_socket {
	struct sl_transport transport;
	int fd;
};

static struct sl_socket *from_transport(struct sl_transport *t)
{
	return sl_container_of(t, struct sl_socket, transport);
}

static ssize_t socket_recv(struct sl_transport *t, void *buf, size_t size)
{
	ssize_t n;

	do {
		n = recv(from_transport(t)->fd, buf, size, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t socket_send(struct sl_transport *t, const struct iovec *iov, size_t n_iov, int fd)
{
	return sl_sendmsg_fds(from_transport(t)->fd, iov, n_iov, &fd, fd >= 0 ? 1 : 0, 0);
}

static void socket_free(struct sl_transport *t)
{
	struct sl_socket *s = from_transport(t);

	sl_close(s->fd);
	free(s);
}

static const struct sl_transport_ops socket_ops = {
	.recv = socket_recv,
	.send = socket_send,
	.free = socket_free,
};

int sl_transport_socket_new(int fd, struct sl_transport **ret)
{
	struct sl_socket *s;
	int r;

	r = sl_set_nonblock(fd, true);
	if (r < 0) {
		return r;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		return -ENOMEM;
	}
	s->transport.ops = &socket_ops;
	s->fd = fd;
	*ret = &s->transport;
	return 0;
}
