/* SPDX-License-Identifier: MIT */
/*
 * Work: transfers and command buffers. Everything is checked and priced here before the back end
 * sees it, and everything that may still be running afterwards is noted for the fences.
 */
#include <assert.h>
#include <errno.h>

#include "core/format.h"
#include "core/session-private.h"
#include "util/checked.h"
#include "util/cleanup.h"

static bool iov_bytes(const struct iovec *iov, uint32_t n_iov, uint64_t *ret)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n_iov; i++) {
		if (!sl_add_u64(sum, iov[i].iov_len, &sum)) {
			return false;
		}
	}
	*ret = sum;
	return true;
}

/*
 * Whether box and memory range lie within resource and iovecs. *ret_bytes is what will move: 0 for
 * an empty box. A blob has no geometry of ours; its box is the renderer's to judge.
 */
static int check_range(const struct sl_resource *r, const struct sl_transfer *t,
	const struct iovec *iov, uint32_t n_iov, uint64_t *ret_bytes)
{
	uint64_t have, bytes = 0, end;
	int e;

	if (!iov || !iov_bytes(iov, n_iov, &have)) {
		return SL_FAULT_INVALID;
	}
	if (r->blob) {
		bytes = 1;
	} else {
		e = sl_transfer_extent(&r->args, t, &bytes);
		if (e != 0) {
			return e;
		}
	}
	if (!sl_add_u64(t->offset_bytes, bytes, &end) || (bytes > 0 && end > have)) {
		return SL_FAULT_INVALID;
	}
	*ret_bytes = bytes;
	return 0;
}

/* 0 and *ret_bytes > 0: go on. 0 and *ret_bytes 0: nothing to do. */
static int admit_transfer(struct sl_session *s, uint32_t ctx_id, const struct sl_resource *r,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov, uint64_t *ret_bytes)
{
	*ret_bytes = 0;
	if (!r || (ctx_id != 0 && !sl_context_get(s, ctx_id))) {
		return SL_FAULT_UNKNOWN_ID;
	}
	if (r->poisoned) {
		return 0;
	}
	if (n_iov > SL_MAX_IOVECS) {
		return SL_FAULT_LIMIT;
	}
	return check_range(r, t, iov ? iov : r->iov, iov ? n_iov : r->n_iov, ret_bytes);
}

static int transfer(struct sl_session *s, bool write, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	const struct sl_backend_ops *ops = s->b->ops;
	struct sl_resource *r = sl_resource_get(s, res_id);
	uint64_t bytes, began;
	int e;

	e = admit_transfer(s, ctx_id, r, t, iov, n_iov, &bytes);
	if (e != 0 || bytes == 0) {
		return e;
	}
	began = sl_now_ns();
	e = (write ? ops->transfer_write : ops->transfer_read)(s->b, ctx_id, res_id, t, iov, n_iov);
	sl_session_note_call(s, began);
	if (write || !(s->b->flags & (SL_BACKEND_SYNC_READ | SL_BACKEND_SYNC_ALL))) {
		sl_fence_note_work(s, sl_context_get(s, ctx_id));
	} else if (e == 0) {
		r->read_at = s->work;
		sl_session_note_result(s);
	}
	s->stats.transfer_bytes += bytes;
	return e;
}

int sl_session_transfer_write(struct sl_session *s, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	return transfer(s, true, ctx_id, res_id, t, iov, n_iov);
}

int sl_session_transfer_read(struct sl_session *s, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	return transfer(s, false, ctx_id, res_id, t, iov, n_iov);
}

/* Charge what the stream will add, or take nothing. */
static int admit_stream(
	struct sl_session *s, struct sl_context *c, const uint32_t *cmd, size_t n_dw)
{
	int64_t bytes = 0;
	int32_t contexts = 0;
	uint64_t held, now;
	uint32_t total;
	int e;

	if (!s->b->ops->submit_price) {
		return 0;
	}
	e = s->b->ops->submit_price(s->b, c->id, cmd, n_dw, &bytes, &contexts);
	if (e != 0) {
		return e;
	}
	total = (uint32_t)sl_idtable_count(&s->contexts) + s->stream_contexts;
	if (contexts > 0 && ((uint32_t)contexts > s->limits.contexts ||
				    total > s->limits.contexts - (uint32_t)contexts)) {
		return SL_FAULT_LIMIT;
	}
	assert(contexts >= 0 || c->stream_contexts >= (uint32_t)-contexts);
	held = c->stream.bytes;
	assert(bytes >= 0 || held >= (uint64_t)-bytes);
	if (bytes > 0 ? !sl_add_u64(held, (uint64_t)bytes, &now) : false) {
		return SL_FAULT_NO_MEMORY;
	}
	now = held + (uint64_t)bytes;
	e = sl_charge_resize(&c->stream, now);
	if (e != 0) {
		return e;
	}
	c->stream_contexts += (uint32_t)contexts;
	s->stream_contexts += (uint32_t)contexts;
	return 0;
}

int sl_session_submit(struct sl_session *s, uint32_t ctx_id, uint32_t *cmd, size_t n_dw)
{
	struct sl_context *c = sl_context_get(s, ctx_id);
	uint64_t began;
	int e;

	if (!c) {
		return SL_FAULT_UNKNOWN_ID;
	}
	if (n_dw > s->limits.cmd_bytes / 4) {
		return SL_FAULT_LIMIT;
	}
	if (c->lost) {
		return SL_FAULT_RENDERER;
	}
	if (n_dw == 0) {
		return 0;
	}
	began = sl_now_ns();
	e = admit_stream(s, c, cmd, n_dw);
	if (e != 0) {
		return e;
	}
	e = s->b->ops->submit(s->b, ctx_id, cmd, n_dw);
	sl_session_note_call(s, began);
	sl_fence_note_work(s, c);
	s->stats.submits++;
	return e;
}
