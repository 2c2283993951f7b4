/* SPDX-License-Identifier: MIT */
/*
 * Work on resources: transfers, inline and through shared memory, command buffers, and the wait for
 * them. Work that the renderer refuses is counted and the session goes on: there is no error reply,
 * and one bad command of a client is no reason to take its screen away.
 */
#include <errno.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"

static struct sl_transfer transfer_args(const struct sl_vtest_transfer *t)
{
	return (struct sl_transfer){
		.box = { t->x, t->y, t->z, t->w, t->h, t->d },
		.level = t->level,
		.stride_bytes = t->stride,
		.layer_stride_bytes = t->layer_stride,
		.offset_bytes = t->offset,
	};
}

static int put_inline(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	struct sl_transfer t = transfer_args(&m->transfer);
	struct iovec iov = { .iov_base = (void *)m->body, .iov_len = (size_t)m->body_bytes };

	if (!m->body) {
		/* Too large for this resource or for the budget; it is being skipped. */
		return sl_vt_absorb(v, SL_FAULT_LIMIT);
	}
	return sl_vt_absorb(v,
		sl_session_transfer_write(v->session, SL_VT_CTX, m->transfer.handle, &t, &iov, 1));
}

/* Exactly data_size bytes are owed, whatever becomes of the read: zeros at worst. */
static int get_inline(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	struct sl_transfer t = transfer_args(&m->transfer);
	size_t bytes = m->transfer.data_size;
	struct iovec iov;
	uint8_t *p;
	int r;

	if (bytes > sl_vt_inline_bound(v, m->transfer.handle)) {
		v->out.zero_bytes = bytes;
		return sl_vt_absorb(v, SL_FAULT_LIMIT);
	}
	r = sl_vt_output_reserve(&v->out, sl_session_meter(v->session), bytes, &p);
	if (r != 0) {
		v->out.zero_bytes = bytes;
		return sl_vt_absorb(v, r);
	}
	iov = (struct iovec){ .iov_base = p, .iov_len = bytes };
	r = sl_session_transfer_read(v->session, SL_VT_CTX, m->transfer.handle, &t, &iov, 1);
	if (r == 0) {
		r = sl_session_wait_resource(v->session, SL_VT_CTX, m->transfer.handle, &v->wait);
		if (r == SL_VT_PENDING) {
			v->waiting = true;
			return 0;
		}
	}
	return sl_vt_absorb(v, r);
}

int sl_vt_transfer(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	struct sl_transfer t = transfer_args(&m->transfer);
	uint32_t handle = m->transfer.handle;
	int r;

	r = sl_vt_need_context(v);
	if (r != 0) {
		return r;
	}
	switch (m->id) {
	case SL_VTEST_TRANSFER_PUT:
		return put_inline(v, m);
	case SL_VTEST_TRANSFER_GET:
		return get_inline(v, m);
	case SL_VTEST_TRANSFER_PUT2:
		r = sl_session_transfer_write(v->session, SL_VT_CTX, handle, &t, NULL, 0);
		return sl_vt_absorb(v, r);
	default:
		sl_vt_record_readback(v, handle, &t, false);
		r = sl_session_transfer_read(v->session, SL_VT_CTX, handle, &t, NULL, 0);
		sl_vt_record_readback(v, handle, &t, true);
		return sl_vt_absorb(v, r);
	}
}

int sl_vt_submit(struct sl_vtest *v, uint32_t *cmd, size_t n_dw)
{
	int r;

	r = sl_vt_need_context(v);
	if (r != 0) {
		return r;
	}
	if (!sl_vt_output_empty(&v->out)) {
		/* Drawing takes long: what the client is owed does not wait for it. */
		r = sl_vt_flush(v);
		if (r < 0 && r != -EAGAIN) {
			return r;
		}
	}
	r = sl_session_submit(v->session, SL_VT_CTX, cmd, n_dw);
	if (r == SL_FAULT_NO_MEMORY && sl_vt_pool_trim(v->pool)) {
		r = sl_session_submit(v->session, SL_VT_CTX, cmd, n_dw);
	}
	return sl_vt_absorb(v, r);
}

/* Begin the wait that was asked for. 0: nothing to wait for, SL_VT_PENDING, a fault, -errno. */
static int begin_wait(struct sl_vtest *v, uint32_t handle)
{
	int r;

	if (!v->context) {
		return 0;
	}
	r = sl_vt_flush(v);
	if (r < 0 && r != -EAGAIN) {
		return r;
	}
	if (handle == 0) {
		return sl_session_wait_ring(v->session, SL_VT_CTX, 0, &v->wait);
	}
	if (!sl_session_resource_exists(v->session, handle)) {
		return SL_FAULT_UNKNOWN_ID;
	}
	return sl_session_wait_resource(v->session, SL_VT_CTX, handle, &v->wait);
}

int sl_vt_busy_wait(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	uint32_t handle = m->resource.handle, busy = 0;
	int r = 0;

	if (m->resource.flags & SL_VTEST_BUSY_WAIT_WAIT) {
		r = begin_wait(v, handle);
		if (r == SL_VT_PENDING) {
			v->waiting = v->wait_reply = true;
			return 0;
		}
	} else if (handle != 0 && v->context) {
		r = sl_session_resource_exists(v->session, handle)
			    ? sl_session_resource_busy(v->session, SL_VT_CTX, handle)
			    : SL_FAULT_UNKNOWN_ID;
		if (r == SL_VT_PENDING) {
			busy = 1;
			r = 0;
		}
	}
	r = sl_vt_absorb(v, r);
	return r != 0 ? r : sl_vt_reply_words(v, m->id, &busy, 1);
}
