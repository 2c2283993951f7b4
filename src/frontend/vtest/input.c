/* SPDX-License-Identifier: MIT */
/*
 * What the client has sent. One linear buffer that is read into in large pieces, so that many
 * small messages cost one system call, and that stays hot in the cache because it starts over
 * whenever it is empty. It grows for one large message, charged, and shrinks after it. The
 * message at the front is always aligned to words, since command buffers are used where they lie.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"

/* A glmark2 frame is 1 to 30 KiB, and Mesa never sends more than 256 KiB as one message. */
#define BASE_BYTES (64u << 10)
/* A read is not worth its system call for less room than this. */
#define MIN_ROOM_BYTES (4u << 10)

int sl_vt_input_init(struct sl_vt_input *in)
{
	*in = (struct sl_vt_input){ .buffer = malloc(BASE_BYTES), .size = BASE_BYTES };
	return in->buffer ? 0 : -ENOMEM;
}

void sl_vt_input_fini(struct sl_vt_input *in)
{
	sl_charge_fini(&in->charge);
	free(in->buffer);
	*in = (struct sl_vt_input){};
}

static void move_to_front(struct sl_vt_input *in)
{
	size_t n = sl_vt_input_bytes(in);

	if (in->begin > 0 && n > 0) {
		memmove(in->buffer, in->buffer + in->begin, n);
	}
	in->begin = 0;
	in->end = n;
}

ssize_t sl_vt_input_fill(struct sl_vt_input *in, struct sl_transport *t)
{
	size_t room;
	ssize_t n;

	if (in->size - in->end < MIN_ROOM_BYTES && in->begin > 0) {
		move_to_front(in);
	}
	room = in->size - in->end;
	if (room == 0) {
		return -ENOBUFS;
	}
	n = t->ops->recv(t, in->buffer + in->end, room);
	/* An end or an error is for the next read to find, too. */
	in->drained = n == -EAGAIN || (n > 0 && n < (ssize_t)room);
	if (n > 0) {
		in->end += (size_t)n;
	}
	return n;
}

int sl_vt_input_reserve(struct sl_vt_input *in, struct sl_meter *m, size_t bytes)
{
	uint8_t *grown;
	int r;

	if (in->size - in->begin >= bytes) {
		return 0;
	}
	move_to_front(in);
	if (in->size >= bytes) {
		return 0;
	}
	if (!in->charge.meter) {
		r = sl_charge(m, bytes - BASE_BYTES, &in->charge);
	} else {
		r = sl_charge_resize(&in->charge, bytes - BASE_BYTES);
	}
	if (r != 0) {
		return r;
	}
	grown = realloc(in->buffer, bytes);
	if (!grown) {
		return -ENOMEM;
	}
	in->buffer = grown;
	in->size = bytes;
	return 0;
}

static void shrink(struct sl_vt_input *in)
{
	uint8_t *small = realloc(in->buffer, BASE_BYTES);

	if (small) {
		in->buffer = small;
		in->size = BASE_BYTES;
		sl_charge_fini(&in->charge);
	}
}

void sl_vt_input_consume(struct sl_vt_input *in, size_t bytes)
{
	in->begin += bytes;
	in->since_ns = 0;
	if (in->begin % 4 != 0) {
		/* A name or an inline upload of odd length: rare enough to pay for. */
		move_to_front(in);
	}
	if (in->begin == in->end) {
		in->begin = in->end = 0;
	}
	if (in->size > BASE_BYTES && sl_vt_input_bytes(in) <= BASE_BYTES) {
		move_to_front(in);
		shrink(in);
	}
}
