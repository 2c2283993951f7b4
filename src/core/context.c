/* SPDX-License-Identifier: MIT */
/*
 * Contexts and what is attached to them. A context is charged at a flat price, since its size in
 * the renderer is Mesa's and not the client's; sub-contexts made by command streams count against
 * the same limit.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/session-private.h"

static int admit(struct sl_session *s, uint32_t ctx_id, const struct sl_context *c)
{
	if (ctx_id == 0) {
		return SL_FAULT_INVALID;
	}
	if (c) {
		return SL_FAULT_EXISTS;
	}
	if (sl_idtable_count(&s->contexts) + s->stream_contexts >= s->limits.contexts) {
		return SL_FAULT_LIMIT;
	}
	return 0;
}

int sl_session_context_create(
	struct sl_session *s, uint32_t ctx_id, uint32_t capset, const char *name)
{
	struct sl_context *c = sl_context_get(s, ctx_id);
	uint64_t began = sl_now_ns();
	int r;

	r = admit(s, ctx_id, c);
	if (r != 0) {
		return r;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		return -ENOMEM;
	}
	c->id = ctx_id;
	sl_list_init(&c->attachments);
	r = sl_charge(&s->meter, SL_COST_CONTEXT_BYTES, &c->charge);
	if (r != 0) {
		goto fail;
	}
	r = sl_charge(&s->meter, 0, &c->stream);
	assert(r == 0);
	r = sl_idtable_insert(&s->contexts, ctx_id, c);
	if (r != 0) {
		goto fail;
	}
	r = s->b->ops->context_create(s->b, ctx_id, capset, name);
	if (r != 0) {
		sl_idtable_remove(&s->contexts, ctx_id);
		goto fail;
	}
	sl_session_note_call(s, began);
	return 0;

fail:
	sl_charge_fini(&c->stream);
	sl_charge_fini(&c->charge);
	free(c);
	return r;
}

void sl_context_free(struct sl_session *s, struct sl_context *c)
{
	while (!sl_list_empty(&c->attachments)) {
		sl_attachment_free(
			sl_list_entry(c->attachments.next, struct sl_attachment, in_ctx));
	}
	s->b->ops->context_destroy(s->b, c->id);
	sl_idtable_remove(&s->contexts, c->id);
	s->stream_contexts -= c->stream_contexts;
	sl_charge_fini(&c->stream);
	sl_charge_fini(&c->charge);
	free(c);
}

int sl_session_context_destroy(struct sl_session *s, uint32_t ctx_id)
{
	struct sl_context *c = sl_context_get(s, ctx_id);

	if (!c) {
		return SL_FAULT_UNKNOWN_ID;
	}
	sl_context_free(s, c);
	return 0;
}

static struct sl_attachment *find_attachment(
	const struct sl_context *c, const struct sl_resource *r)
{
	struct sl_attachment *a;

	/* A resource is in few contexts; a context holds many resources. */
	sl_list_for_each (a, &r->attachments, in_res) {
		if (a->ctx == c) {
			return a;
		}
	}
	return NULL;
}

void sl_attachment_free(struct sl_attachment *a)
{
	sl_list_remove(&a->in_ctx);
	sl_list_remove(&a->in_res);
	sl_charge_fini(&a->charge);
	free(a);
}

int sl_session_context_attach(struct sl_session *s, uint32_t ctx_id, uint32_t res_id)
{
	struct sl_context *c = sl_context_get(s, ctx_id);
	struct sl_resource *r = sl_resource_get(s, res_id);
	struct sl_attachment *a;
	int e;

	if (!c || !r) {
		return SL_FAULT_UNKNOWN_ID;
	}
	if (find_attachment(c, r)) {
		return 0;
	}
	a = calloc(1, sizeof(*a));
	if (!a) {
		return -ENOMEM;
	}
	e = sl_charge(&s->meter, SL_COST_ATTACH_BYTES, &a->charge);
	if (e != 0) {
		free(a);
		return e;
	}
	a->ctx = c;
	a->res = r;
	sl_list_append(&c->attachments, &a->in_ctx);
	sl_list_append(&r->attachments, &a->in_res);
	if (r->in_backend) {
		s->b->ops->context_attach(s->b, ctx_id, res_id);
	}
	return 0;
}

int sl_session_context_detach(struct sl_session *s, uint32_t ctx_id, uint32_t res_id)
{
	struct sl_context *c = sl_context_get(s, ctx_id);
	struct sl_resource *r = sl_resource_get(s, res_id);
	struct sl_attachment *a;

	if (!c || !r) {
		return SL_FAULT_UNKNOWN_ID;
	}
	a = find_attachment(c, r);
	if (!a) {
		return 0;
	}
	if (r->in_backend) {
		s->b->ops->context_detach(s->b, ctx_id, res_id);
	}
	sl_attachment_free(a);
	return 0;
}
