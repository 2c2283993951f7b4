/* SPDX-License-Identifier: MIT */
/*
 * Completion. Each context has one timeline; work on it raises a sequence number, and a fence,
 * made only when somebody waits, covers everything before it. A wait is on the ring of one context
 * or on a resource, that is on every context to which the resource is attached. Fence ids rise
 * over the whole session, so a wait needs to remember only the newest id at its beginning: it is
 * over when no context that it concerns has an unfinished fence up to that id.
 *
 * Waits complete only in sl_session_poll(), never inside the call that began them or inside a call
 * into the renderer.
 */
#include <assert.h>
#include <errno.h>

#include "core/session-private.h"
#include "util/cleanup.h"

void sl_fence_note_work(struct sl_session *s, struct sl_context *c)
{
	s->work++;
	if (c) {
		c->time.work = s->work;
	}
}

void sl_fence_done(void *user, uint32_t ctx_id, uint32_t ring, uint64_t fence_id)
{
	struct sl_session *s = user;
	struct sl_context *c = sl_context_get(s, ctx_id);

	/* A context may be gone, and its id in use again, before its last fence is reported. */
	if (c && fence_id > c->time.done_fence && fence_id <= c->time.last_fence) {
		c->time.done_fence = fence_id;
		sl_session_note_result(s);
	}
}

static bool all_sync(const struct sl_session *s)
{
	return s->b->flags & SL_BACKEND_SYNC_ALL;
}

/* Nothing of this context is running, as far as the fences up to @fence_id know. */
static bool reached(const struct sl_context *c, uint64_t fence_id)
{
	const struct sl_timeline *t = &c->time;

	return c->lost || t->done_fence == t->last_fence || t->done_fence >= fence_id;
}

/* Make sure that a fence covers all work of this context. */
static int cover(struct sl_session *s, struct sl_context *c)
{
	uint64_t id, work = c->time.work;
	int e;

	if (all_sync(s) || c->lost || c->time.fenced == work) {
		return 0;
	}
	id = s->next_fence + 1;
	c->time.last_fence = id; /* before the call: it may report the fence from inside */
	e = s->b->ops->fence_create(s->b, c->id, 0, id);
	s->next_fence = id;
	if (e != 0) {
		c->time.done_fence = id;
		return e;
	}
	c->time.fenced = work;
	return 0;
}

static bool resource_idle(const struct sl_session *s, const struct sl_resource *r)
{
	return all_sync(s) || r->poisoned || r->read_at == s->work;
}

/* A resource is used by the contexts it is attached to, and by the one that asks. */
static int cover_resource(struct sl_session *s, struct sl_context *c, struct sl_resource *r)
{
	struct sl_attachment *a;
	int e = c ? cover(s, c) : 0;

	sl_list_for_each (a, &r->attachments, in_res) {
		if (e != 0) {
			break;
		}
		e = cover(s, a->ctx);
	}
	return e;
}

static bool wait_over(const struct sl_session *s, const struct sl_wait *w)
{
	const struct sl_context *c = sl_context_get(s, w->ctx_id);
	const struct sl_resource *r = sl_resource_get(s, w->res_id);
	const struct sl_attachment *a;

	if (c && !reached(c, w->fence_id)) {
		return false;
	}
	if (r) {
		sl_list_for_each (a, &r->attachments, in_res) {
			if (!reached(a->ctx, w->fence_id)) {
				return false;
			}
		}
	}
	return true;
}

/* 0 if everything is reached already, else 1 with the wait in the session's list. */
static int begin(struct sl_session *s, struct sl_wait *w, uint32_t ctx_id, uint32_t res_id)
{
	assert(!w->session);
	w->ctx_id = ctx_id;
	w->res_id = res_id;
	w->fence_id = s->next_fence;
	if (wait_over(s, w)) {
		return 0;
	}
	w->session = s;
	sl_list_append(&s->waits, &w->link);
	return 1;
}

static int lookup(struct sl_session *s, uint32_t ctx_id, uint32_t res_id,
	struct sl_context **ret_ctx, struct sl_resource **ret_res)
{
	struct sl_context *c = sl_context_get(s, ctx_id);
	struct sl_resource *r = sl_resource_get(s, res_id);

	if (s->ending) {
		return -ECANCELED;
	}
	if (!r || (ctx_id != 0 && !c)) {
		return SL_FAULT_UNKNOWN_ID;
	}
	*ret_ctx = c;
	*ret_res = r;
	return 0;
}

int sl_session_wait_resource(
	struct sl_session *s, uint32_t ctx_id, uint32_t res_id, struct sl_wait *w)
{
	struct sl_resource *r;
	struct sl_context *c;
	int e = lookup(s, ctx_id, res_id, &c, &r);

	if (e != 0 || resource_idle(s, r)) {
		return e;
	}
	e = cover_resource(s, c, r);
	return e != 0 ? e : begin(s, w, ctx_id, res_id);
}

int sl_session_resource_busy(struct sl_session *s, uint32_t ctx_id, uint32_t res_id)
{
	struct sl_wait probe = { .ctx_id = ctx_id, .res_id = res_id };
	struct sl_resource *r;
	struct sl_context *c;
	int e = lookup(s, ctx_id, res_id, &c, &r);

	if (e != 0 || resource_idle(s, r)) {
		return e;
	}
	e = cover_resource(s, c, r);
	if (e != 0) {
		return e;
	}
	probe.fence_id = s->next_fence;
	if (wait_over(s, &probe)) {
		return 0;
	}
	s->b->ops->poll(s->b);
	return wait_over(s, &probe) ? 0 : 1;
}

int sl_session_wait_ring(struct sl_session *s, uint32_t ctx_id, uint32_t ring, struct sl_wait *w)
{
	struct sl_context *c = sl_context_get(s, ctx_id);
	int e;

	if (s->ending) {
		return -ECANCELED;
	}
	if (!c) {
		return SL_FAULT_UNKNOWN_ID;
	}
	if (ring >= SL_MAX_RINGS) {
		return SL_FAULT_UNKNOWN_ID;
	}
	e = cover(s, c);
	return e != 0 ? e : begin(s, w, ctx_id, 0);
}

void sl_session_wait_cancel(struct sl_wait *w)
{
	if (w->session) {
		sl_list_remove(&w->link);
		w->session = NULL;
	}
}

static void finish(struct sl_wait *w, int result)
{
	sl_session_wait_cancel(w);
	w->done(w, result);
}

void sl_fence_cancel_all(struct sl_session *s)
{
	while (!sl_list_empty(&s->waits)) {
		finish(sl_list_entry(s->waits.next, struct sl_wait, link), -ECANCELED);
	}
}

/*
 * What is over moves to a list of its own first: done() may start and cancel any wait, those on
 * this list included.
 */
static bool report(struct sl_session *s)
{
	struct sl_list over;
	struct sl_wait *w, *tmp;
	bool any;

	sl_list_init(&over);
	sl_list_for_each_safe (w, tmp, &s->waits, link) {
		if (wait_over(s, w)) {
			sl_list_remove(&w->link);
			sl_list_append(&over, &w->link);
		}
	}
	any = !sl_list_empty(&over);
	while (!sl_list_empty(&over)) {
		finish(sl_list_entry(over.next, struct sl_wait, link), 0);
	}
	return any;
}

int sl_session_poll_fd(struct sl_session *s)
{
	return s->b->ops->poll_fd(s->b);
}

uint64_t sl_session_poll(struct sl_session *s)
{
	uint64_t next = s->b->ops->poll(s->b);
	bool any = report(s);

	if (sl_list_empty(&s->waits)) {
		return SL_NEVER_NS;
	}
	return any ? 0 : next; /* done() may have begun waits that are already over */
}
