/* SPDX-License-Identifier: MIT */
/*
 * The front end's life and its loop: read much, handle every whole message, send the replies
 * together. It never blocks and never waits: a RESOURCE_BUSY_WAIT that is not over, or a client
 * that does not read, stops the reading of this client's messages and nothing else. What cannot go
 * on is final: every later call returns the same.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"
#include "util/fds.h"

/* In one run, of reading on because a message is incomplete. */
#define MAX_TRIES 4

static void on_wait_done(struct sl_wait *w, int result);

int sl_vtest_new(struct sl_session *s, struct sl_transport *t, struct sl_vtest **ret)
{
	struct sl_vtest *v = calloc(1, sizeof(*v));
	int r = -ENOMEM;

	if (!v) {
		return r;
	}
	v->session = s;
	v->out.fd = -1;
	v->wait.done = on_wait_done;
	sl_vt_sync_init(v);
	if (sl_vt_input_init(&v->in) < 0 || sl_vt_output_init(&v->out) < 0) {
		goto fail;
	}
	r = sl_vt_pool_new(s, &v->pool);
	if (r < 0) {
		goto fail;
	}
	v->transport = t;
	*ret = v;
	return 0;

fail:
	sl_vtest_free(v);
	return r;
}

struct sl_vtest *sl_vtest_free(struct sl_vtest *v)
{
	if (!v) {
		return NULL;
	}
	sl_session_wait_cancel(&v->wait);
	sl_vt_submits_fini(v);
	sl_vt_sync_fini(v);
	sl_vt_blobs_fini(v);
	sl_vt_input_fini(&v->in);
	sl_vt_output_fini(&v->out);
	sl_vt_recorder_free(v->recorder);
	sl_vt_pool_close(v->pool);
	if (v->transport) {
		v->transport->ops->free(v->transport);
	}
	free(v);
	return NULL;
}

int sl_vt_absorb(struct sl_vtest *v, int r)
{
	if (r <= 0) {
		return r;
	}
	sl_session_count_fault(v->session, r);
	return 0;
}

int sl_vt_reply_words(struct sl_vtest *v, uint32_t request, const uint32_t *words, size_t n)
{
	uint8_t *p;
	int r;

	r = sl_vt_output_reserve(
		&v->out, sl_session_meter(v->session), SL_VTEST_HEADER_BYTES + n * 4, &p);
	if (r != 0) {
		return r;
	}
	sl_vtest_encode_reply(p, request, n * 4);
	if (n > 0) {
		memcpy(p + SL_VTEST_HEADER_BYTES, words, n * 4);
	}
	return 0;
}

/* 0 when everything is sent, -EAGAIN when the client does not read. */
int sl_vt_flush(struct sl_vtest *v)
{
	int r;

	if (sl_vt_output_empty(&v->out)) {
		return 0;
	}
	if (v->waiting) {
		/* The bytes of a read-back in flight may be among them. */
		return 0;
	}
	r = sl_vt_output_flush(&v->out, v->transport);
	if (r == 0) {
		v->out.since_ns = 0;
	} else if (r == -EAGAIN && v->out.since_ns == 0) {
		v->out.since_ns = sl_now_ns();
	}
	return r;
}

static void on_wait_done(struct sl_wait *w, int result)
{
	struct sl_vtest *v = sl_container_of(w, struct sl_vtest, wait);

	v->waiting = false;
	if (v->wait_reply) {
		v->wait_reply = false;
		/* Room was kept when the wait began. */
		sl_vt_reply_words(v, SL_VTEST_RESOURCE_BUSY_WAIT, (uint32_t[]){ 0 }, 1);
	}
}

/* An unfinished message: begin its clock, or end the session when that has run out. */
static int check_message_time(struct sl_vtest *v)
{
	uint64_t now, limit = sl_session_limits(v->session)->message_ms * SL_NSEC_PER_MSEC;

	if (sl_vt_input_bytes(&v->in) == 0 && v->in.skip_bytes == 0) {
		v->in.since_ns = 0;
		return 0;
	}
	now = sl_now_ns();
	if (v->in.since_ns == 0) {
		v->in.since_ns = now;
	}
	return now - v->in.since_ns >= limit ? SL_FAULT_TIMEOUT : 0;
}

static int check_output_time(struct sl_vtest *v)
{
	uint64_t limit = sl_session_limits(v->session)->message_ms * SL_NSEC_PER_MSEC;

	if (v->out.since_ns == 0 || sl_now_ns() - v->out.since_ns < limit) {
		return 0;
	}
	return SL_FAULT_TIMEOUT;
}

enum { STEP_FAULT = 0x10000 }; /* tells a fault from enum sl_vtest_state inside this file */

static int as_fault(int r)
{
	return r > 0 ? r + STEP_FAULT : r;
}

/* The client will send no more: well, if it stopped between two messages. */
static int at_end(const struct sl_vtest *v)
{
	bool within = sl_vt_input_bytes(&v->in) > 0 || v->in.skip_bytes > 0;

	return within ? as_fault(SL_FAULT_MALFORMED) : SL_VTEST_CLOSED;
}

/*
 * Clients write a message in pieces. Whoever has seen one piece sees the next within microseconds:
 * letting the client run costs less than going to sleep and being woken for it.
 */
static bool is_worth_another_read(struct sl_vtest *v, unsigned int *tries)
{
	if (sl_vt_input_bytes(&v->in) == 0 || *tries == MAX_TRIES) {
		return false;
	}
	++*tries;
	sched_yield();
	return true;
}

/* Read and handle until there is nothing to do. 0, SL_VTEST_CLOSED, a fault, -errno. */
static int step(struct sl_vtest *v)
{
	unsigned int tries = 0;

	for (;;) {
		ssize_t n;
		int r = sl_vt_handle_buffered(v);

		if (r != -EAGAIN) {
			return as_fault(r);
		}
		if (v->in.drained && !is_worth_another_read(v, &tries)) {
			return as_fault(check_message_time(v));
		}
		n = sl_vt_input_fill(&v->in, v->transport);
		if (n == 0) {
			return at_end(v);
		}
		if (n < 0 && n != -EAGAIN) {
			return (int)n;
		}
	}
}

static int run(struct sl_vtest *v)
{
	int r, f;

	if (!sl_list_empty(&v->sync_waits)) {
		sl_vt_sync_expire(v, sl_now_ns());
	}
	v->in.drained = false;
	r = step(v);
	if (r < 0 && r != -ECONNRESET) {
		return r;
	}
	/* Replies that are owed go out even when the client has made its last mistake. */
	f = sl_vt_flush(v);
	if (f < 0 && f != -EAGAIN) {
		return f;
	}
	if (r == 0) {
		r = as_fault(check_output_time(v));
	}
	if (r == 0 && v->caps_read && !v->context && v->version < 3) {
		/* The client builds its screen now; be ready when it wants to draw. */
		r = as_fault(sl_vt_need_context(v));
	}
	return r;
}

int sl_vtest_run(struct sl_vtest *v)
{
	int r;

	if (v->ended != 0) {
		return v->ended;
	}
	r = run(v);
	if (r == -ECONNRESET || r == -EPIPE) {
		/* The client has gone; that is an end like another. */
		r = SL_VTEST_CLOSED;
	}
	if (r >= STEP_FAULT) {
		sl_session_count_fault(v->session, r - STEP_FAULT);
		r = SL_VTEST_FAULT_BASE - (r - STEP_FAULT);
	}
	v->ended = r;
	return r;
}

short sl_vtest_events(const struct sl_vtest *v)
{
	if (v->ended != 0 || v->waiting) {
		return 0;
	}
	if (!sl_vt_output_empty(&v->out)) {
		return POLLOUT;
	}
	return POLLIN;
}

uint64_t sl_vtest_deadline_ns(const struct sl_vtest *v)
{
	uint64_t limit = sl_session_limits(v->session)->message_ms * SL_NSEC_PER_MSEC;
	uint64_t at = sl_vt_sync_deadline_ns(v);

	if (v->ended != 0) {
		return SL_NEVER_NS;
	}
	if (v->out.since_ns != 0) {
		at = SL_MIN(at, v->out.since_ns + limit);
	} else if (v->in.since_ns != 0 && !v->waiting) {
		at = SL_MIN(at, v->in.since_ns + limit);
	}
	return at;
}
