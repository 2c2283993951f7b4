/* SPDX-License-Identifier: MIT */
/*
 * The in-process transport. It keeps the one property of a Unix stream that the vtest protocol
 * depends on: bytes that carry an fd are not read together with those before them, and an fd is
 * lost to a reader that does not ask for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/memory/memory.h"
#include "util/cleanup.h"

struct queue {
	uint8_t *data;
	size_t begin, end, size;
};

/* An fd and the position, counted from the start of the stream, of the byte it travels with. */
struct passed {
	uint64_t position;
	int fd;
};

struct sl_memory {
	struct sl_transport transport;
	struct sl_memory_options options;
	struct queue in, out;
	uint64_t out_position; /* of out.data[out.begin] */
	struct passed *fds;
	size_t n_fds;
	unsigned int sends;
	bool shut, client_gone, server_gone;
};

static size_t queued(const struct queue *q)
{
	return q->end - q->begin;
}

static int queue_put(struct queue *q, const void *data, size_t size)
{
	if (q->begin > 0) {
		memmove(q->data, q->data + q->begin, queued(q));
		q->end -= q->begin;
		q->begin = 0;
	}
	if (q->size - q->end < size) {
		size_t wanted = SL_MAX(q->size * 2, q->end + size);
		uint8_t *grown = realloc(q->data, wanted);

		if (!grown) {
			return -ENOMEM;
		}
		q->data = grown;
		q->size = wanted;
	}
	if (size > 0) {
		memcpy(q->data + q->end, data, size);
	}
	q->end += size;
	return 0;
}

static size_t queue_take(struct queue *q, void *buf, size_t size)
{
	size_t n = SL_MIN(size, queued(q));

	if (n > 0) {
		memcpy(buf, q->data + q->begin, n);
	}
	q->begin += n;
	return n;
}

static struct sl_memory *from_transport(struct sl_transport *t)
{
	return sl_container_of(t, struct sl_memory, transport);
}

static ssize_t memory_recv(struct sl_transport *t, void *buf, size_t size)
{
	struct sl_memory *m = from_transport(t);

	if (queued(&m->in) == 0) {
		return m->shut || m->client_gone ? 0 : -EAGAIN;
	}
	if (m->options.max_recv > 0) {
		size = SL_MIN(size, m->options.max_recv);
	}
	return (ssize_t)queue_take(&m->in, buf, size);
}

static int pass_fd(struct sl_memory *m, int fd)
{
	struct passed *grown = reallocarray(m->fds, m->n_fds + 1, sizeof(*grown));
	int copy;

	if (!grown) {
		return -ENOMEM;
	}
	m->fds = grown;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		return -errno;
	}
	m->fds[m->n_fds++] = (struct passed){ m->out_position + queued(&m->out), copy };
	return 0;
}

static ssize_t memory_send(struct sl_transport *t, const struct iovec *iov, size_t n_iov, int fd)
{
	struct sl_memory *m = from_transport(t);
	size_t room = m->options.max_pending ? m->options.max_pending : SIZE_MAX;
	ssize_t total = 0;
	int r;

	if (m->client_gone) {
		return -EPIPE;
	}
	m->sends++;
	room -= SL_MIN(room, queued(&m->out));
	for (size_t i = 0; i < n_iov && room > 0; i++) {
		size_t n = SL_MIN(iov[i].iov_len, room);

		if (m->options.discard_output) {
			total += (ssize_t)n;
			continue;
		}
		if (total == 0 && n > 0 && fd >= 0) {
			r = pass_fd(m, fd);
			if (r < 0) {
				return r;
			}
		}
		r = queue_put(&m->out, iov[i].iov_base, n);
		if (r < 0) {
			return total > 0 ? total : r;
		}
		total += (ssize_t)n;
		room -= n;
	}
	return total > 0 ? total : -EAGAIN;
}

static void release(struct sl_memory *m)
{
	if (!m->client_gone || !m->server_gone) {
		return;
	}
	for (size_t i = 0; i < m->n_fds; i++) {
		sl_close(m->fds[i].fd);
	}
	free(m->fds);
	free(m->in.data);
	free(m->out.data);
	free(m);
}

static void memory_free(struct sl_transport *t)
{
	struct sl_memory *m = from_transport(t);

	m->server_gone = true;
	release(m);
}

static const struct sl_transport_ops memory_ops = {
	.recv = memory_recv,
	.send = memory_send,
	.free = memory_free,
};

int sl_memory_new(const struct sl_memory_options *o, struct sl_memory **ret_client,
	struct sl_transport **ret_transport)
{
	struct sl_memory *m = calloc(1, sizeof(*m));

	if (!m) {
		return -ENOMEM;
	}
	m->transport.ops = &memory_ops;
	if (o) {
		m->options = *o;
	}
	*ret_client = m;
	*ret_transport = &m->transport;
	return 0;
}

struct sl_memory *sl_memory_free(struct sl_memory *m)
{
	if (m) {
		m->client_gone = true;
		release(m);
	}
	return NULL;
}

int sl_memory_write(struct sl_memory *m, const void *data, size_t size)
{
	return queue_put(&m->in, data, size);
}

void sl_memory_shutdown(struct sl_memory *m)
{
	m->shut = true;
}

size_t sl_memory_unread(const struct sl_memory *m)
{
	return queued(&m->in);
}

static int shift_fd(struct sl_memory *m)
{
	int fd = m->fds[0].fd;

	memmove(m->fds, m->fds + 1, --m->n_fds * sizeof(*m->fds));
	return fd;
}

size_t sl_memory_read(struct sl_memory *m, void *buf, size_t size, int *ret_fd)
{
	int fd = -1;
	size_t n;

	if (size > 0 && queued(&m->out) > 0 && m->n_fds > 0 &&
		m->fds[0].position == m->out_position) {
		fd = shift_fd(m);
	}
	if (m->n_fds > 0) {
		size = SL_MIN(size, m->fds[0].position - m->out_position);
	}
	n = queue_take(&m->out, buf, size);
	m->out_position += n;
	if (ret_fd) {
		*ret_fd = fd;
	} else {
		sl_close(fd);
	}
	return n;
}

size_t sl_memory_pending(const struct sl_memory *m)
{
	return queued(&m->out);
}

unsigned int sl_memory_sends(const struct sl_memory *m)
{
	return m->sends;
}

bool sl_memory_hung_up(const struct sl_memory *m)
{
	return m->server_gone;
}
