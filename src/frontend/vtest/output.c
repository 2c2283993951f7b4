/* SPDX-License-Identifier: MIT */
/*
 * Replies. They are collected and leave in one send at the end of a run, or earlier where order or
 * latency wants it. An fd travels with a byte of its own, in a message of its own, after every byte
 * queued before it: clients read(2) a reply's header, and an fd attached to that would be lost. One
 * fd can be queued; nothing is queued behind it. A client that does not read is not served: the
 * front end stops reading its messages until the queue is empty again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"

/* Caps are the largest ordinary reply, 1.5 KiB. */
#define BASE_BYTES (16u << 10)
/* Room that every handler may count on: both caps and some words. */
#define READY_BYTES (4u << 10)
#define ZERO_BYTES (16u << 10)

int sl_vt_output_init(struct sl_vt_output *o)
{
	*o = (struct sl_vt_output){ .buffer = malloc(BASE_BYTES), .size = BASE_BYTES, .fd = -1 };
	return o->buffer ? 0 : -ENOMEM;
}

static void drop_fd(struct sl_vt_output *o)
{
	if (o->fd_owned) {
		sl_close(o->fd);
	}
	o->fd = -1;
	o->fd_due = o->fd_owned = false;
}

void sl_vt_output_fini(struct sl_vt_output *o)
{
	drop_fd(o);
	sl_charge_fini(&o->charge);
	free(o->buffer);
	*o = (struct sl_vt_output){ .fd = -1 };
}

bool sl_vt_output_ready(const struct sl_vt_output *o)
{
	return !o->fd_due && o->zero_bytes == 0 && o->size - o->end >= READY_BYTES;
}

static void reset(struct sl_vt_output *o)
{
	uint8_t *small;

	o->begin = o->end = 0;
	if (o->size <= BASE_BYTES) {
		return;
	}
	small = realloc(o->buffer, BASE_BYTES);
	if (small) {
		o->buffer = small;
		o->size = BASE_BYTES;
		sl_charge_fini(&o->charge);
	}
}

static int send_some(struct sl_transport *t, const void *data, size_t size, int fd)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = size };

	return (int)t->ops->send(t, &iov, 1, fd);
}

static int flush_bytes(struct sl_vt_output *o, struct sl_transport *t)
{
	while (o->begin < o->end) {
		int n = send_some(t, o->buffer + o->begin, SL_MIN(o->end - o->begin, 1u << 20), -1);

		if (n < 0) {
			return n;
		}
		o->begin += (size_t)n;
	}
	reset(o);
	return 0;
}

static int flush_zeros(struct sl_vt_output *o, struct sl_transport *t)
{
	static const uint8_t zeros[ZERO_BYTES];

	while (o->zero_bytes > 0) {
		int n = send_some(t, zeros, SL_MIN(o->zero_bytes, (uint64_t)ZERO_BYTES), -1);

		if (n < 0) {
			return n;
		}
		o->zero_bytes -= (uint64_t)n;
	}
	return 0;
}

static int flush_fd(struct sl_vt_output *o, struct sl_transport *t)
{
	int n;

	if (!o->fd_due) {
		return 0;
	}
	n = send_some(t, "", 1, o->fd);
	if (n < 0) {
		return n;
	}
	drop_fd(o);
	return 0;
}

int sl_vt_output_flush(struct sl_vt_output *o, struct sl_transport *t)
{
	int r = flush_bytes(o, t);

	if (r == 0) {
		r = flush_zeros(o, t);
	}
	if (r == 0) {
		r = flush_fd(o, t);
	}
	return r;
}

static int grow(struct sl_vt_output *o, struct sl_meter *m, size_t size)
{
	uint8_t *grown;
	int r;

	if (!o->charge.meter) {
		r = sl_charge(m, size - BASE_BYTES, &o->charge);
	} else {
		r = sl_charge_resize(&o->charge, size - BASE_BYTES);
	}
	if (r != 0) {
		return r;
	}
	grown = realloc(o->buffer, size);
	if (!grown) {
		return -ENOMEM;
	}
	o->buffer = grown;
	o->size = size;
	return 0;
}

int sl_vt_output_reserve(struct sl_vt_output *o, struct sl_meter *m, size_t bytes, uint8_t **ret)
{
	int r;

	if (o->size - o->end < bytes) {
		r = grow(o, m, o->end + bytes);
		if (r != 0) {
			return r;
		}
	}
	*ret = o->buffer + o->end;
	memset(*ret, 0, bytes);
	o->end += bytes;
	return 0;
}

void sl_vt_output_fd(struct sl_vt_output *o, int fd, bool owned)
{
	o->fd = fd;
	o->fd_owned = owned;
	o->fd_due = true;
}
