/* SPDX-License-Identifier: MIT */
/*
 * From buffered bytes to whole messages: find where the next one ends, make room for it, hand it
 * on, throw away what was refused.
 */
#include <errno.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"

/* Throw away the rest of an inline upload that was refused. True when none is left. */
static bool skip(struct sl_vtest *v)
{
	size_t n = (size_t)SL_MIN(v->in.skip_bytes, (uint64_t)sl_vt_input_bytes(&v->in));
	uint64_t since = v->in.since_ns;

	v->in.skip_bytes -= n;
	sl_vt_input_consume(&v->in, n);
	if (v->in.skip_bytes > 0) {
		v->in.since_ns = since;
		return false;
	}
	return true;
}

/* Room for a body. A client whose budget is spent gets its work refused, not its session ended. */
static int reserve_body(
	struct sl_vtest *v, const struct sl_vtest_message *m, size_t bytes, bool *ret_skip)
{
	struct sl_meter *meter = sl_session_meter(v->session);
	int r;

	r = sl_vt_input_reserve(&v->in, meter, bytes);
	if (r == SL_FAULT_NO_MEMORY && sl_vt_pool_trim(v->pool)) {
		r = sl_vt_input_reserve(&v->in, meter, bytes);
	}
	if (r == SL_FAULT_NO_MEMORY &&
		(m->id == SL_VTEST_TRANSFER_PUT || m->id == SL_VTEST_SUBMIT_CMD)) {
		*ret_skip = true;
		return 0;
	}
	return r;
}

/*
 * The next whole message into *m. 0; -EAGAIN when it is not all there; a fault. A body that is
 * refused is left out of *m and skipped.
 */
static int next_message(struct sl_vtest *v, struct sl_vtest_message *m, size_t *ret_bytes)
{
	size_t have = sl_vt_input_bytes(&v->in), need = 0;
	bool skipped = false;
	int r;

	r = sl_vtest_parse_head(v->in.buffer + v->in.begin, have, m, &need);
	if (r == -EAGAIN) {
		/* A head always fits: the buffer is moved to its front when it runs out. */
		return r;
	}
	if (r == 0) {
		r = sl_vt_admit_body(v, m, &skipped);
	}
	if (r != 0) {
		return r;
	}
	*ret_bytes = m->head_bytes + (size_t)m->body_bytes;
	if (!skipped && have < *ret_bytes) {
		r = reserve_body(v, m, *ret_bytes, &skipped);
		if (r != 0 || !skipped) {
			return r != 0 ? r : -EAGAIN;
		}
	}
	if (skipped) {
		v->in.skip_bytes = m->body_bytes;
		*ret_bytes = m->head_bytes;
		return 0;
	}
	return sl_vtest_parse_body(v->in.buffer + v->in.begin, m);
}

/* @begin: where the message lies as it came. */
static int handle(struct sl_vtest *v, const struct sl_vtest_message *m, const uint8_t *begin)
{
	sl_session_count_message(v->session, m->head_bytes + m->body_bytes);
	sl_vt_record_message(v, m, begin);
	return sl_vt_dispatch(v, m);
}

/*
 * Mesa makes a resource to wait on right behind each frame's commands, and stands still until it
 * has its memory. Commands cannot know a resource that is announced after them: make and answer it
 * first, so that the client goes on while they run. *ret_bytes: what this has taken from behind the
 * command buffer of @bytes.
 */
static int overtake(struct sl_vtest *v, size_t bytes, size_t *ret_bytes)
{
	const uint8_t *behind = v->in.buffer + v->in.begin + bytes;
	struct sl_vtest_message m;
	size_t need;
	int r;

	*ret_bytes = 0;
	if (sl_vtest_parse_head(behind, sl_vt_input_bytes(&v->in) - bytes, &m, &need) != 0 ||
		m.id != SL_VTEST_RESOURCE_CREATE2) {
		return 0;
	}
	*ret_bytes = m.head_bytes;
	r = handle(v, &m, behind);
	if (r == 0) {
		r = sl_vt_flush(v);
	}
	return r == -EAGAIN ? 0 : r;
}

/* One message. 0: go on, -EAGAIN: more bytes are needed. */
static int handle_one(struct sl_vtest *v)
{
	struct sl_vtest_message m;
	size_t bytes = 0, more = 0;
	int r;

	if (v->in.skip_bytes > 0 && !skip(v)) {
		return -EAGAIN;
	}
	if (sl_vt_input_bytes(&v->in) == 0) {
		return -EAGAIN;
	}
	r = next_message(v, &m, &bytes);
	if (r != 0) {
		return r;
	}
	if (m.id == SL_VTEST_SUBMIT_CMD && m.body) {
		if (sl_vt_input_bytes(&v->in) == bytes &&
			sl_vt_input_fill(&v->in, v->transport) > 0) {
			next_message(v, &m, &bytes); /* it may have moved */
		}
		r = overtake(v, bytes, &more);
	}
	r = r ?: handle(v, &m, v->in.buffer + v->in.begin);
	/* A skipped body is consumed as it comes. */
	sl_vt_input_consume(&v->in, bytes + more);
	return r;
}

int sl_vt_handle_buffered(struct sl_vtest *v)
{
	for (;;) {
		int r;

		if (v->waiting) {
			return 0;
		}
		if (!sl_vt_output_ready(&v->out)) {
			r = sl_vt_flush(v);
			if (r != 0) {
				return r == -EAGAIN ? 0 : r;
			}
		}
		r = handle_one(v);
		if (r != 0) {
			return r;
		}
	}
}
