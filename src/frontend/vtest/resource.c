/* SPDX-License-Identifier: MIT */
/*
 * Making and dropping resources. The protocol has no error replies, so a refusal is what its
 * clients understand: for a resource with shared memory, the byte that should carry the fd comes
 * without one, and Mesa reports GL_OUT_OF_MEMORY; for one without, the handle is poisoned and every
 * later use absorbed.
 */
#include <errno.h>
#include <string.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"

static struct sl_resource_args resource_args(const struct sl_vtest_create *c)
{
	return (struct sl_resource_args){
		.target = c->target,
		.format = c->format,
		.bind = c->bind,
		.width = c->width,
		.height = c->height,
		.depth = c->depth,
		.array_size = c->array_size,
		.last_level = c->last_level,
		.nr_samples = c->nr_samples,
	};
}

static int attach(struct sl_vtest *v, uint32_t id, struct sl_vt_staging *st, size_t bytes)
{
	struct iovec iov = { .iov_base = st->map, .iov_len = bytes };
	int r;

	r = sl_session_resource_attach(v->session, id, &iov, 1, sl_vt_staging_release, st);
	if (r == 0) {
		sl_vt_record_backing(v, id, st->map, bytes);
	}
	return r;
}

/* The resource, in the client's context, with its shared memory: all or nothing. */
static int make(struct sl_vtest *v, const struct sl_vtest_create *c, uint32_t *ret_id,
	struct sl_vt_staging **ret_staging)
{
	struct sl_resource_args args = resource_args(c);
	struct sl_vt_staging *st = NULL;
	uint32_t id = 0;
	int r;

	if (v->version < 3 && c->handle == 0) {
		return SL_FAULT_INVALID;
	}
	if (c->data_size > 0) {
		r = sl_vt_pool_get(v->pool, c->data_size, &st);
		if (r != 0) {
			return r;
		}
	}
	r = sl_session_resource_create(v->session, c->handle, &args, 0, &id);
	if (r == 0) {
		r = sl_session_context_attach(v->session, SL_VT_CTX, id);
		if (r == 0 && st) {
			r = attach(v, id, st, c->data_size);
		}
		if (r != 0) {
			sl_session_resource_unref(v->session, id);
		}
	}
	if (r != 0) {
		if (st) {
			sl_vt_staging_release(st);
		}
		return r;
	}
	*ret_id = id;
	*ret_staging = st;
	return 0;
}

/* The id to answer with, and the byte without an fd, where the protocol has them. */
static int refuse(struct sl_vtest *v, const struct sl_vtest_create *c, int fault, uint32_t *ret_id)
{
	bool memory = c->data_size > 0;

	sl_session_count_fault(v->session, fault);
	*ret_id = 0;
	if (memory || fault == SL_FAULT_EXISTS || (v->version < 3 && c->handle == 0)) {
		return 0;
	}
	return sl_vt_absorb(v, sl_session_resource_poison(v->session, c->handle, ret_id));
}

int sl_vt_resource_create(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	const struct sl_vtest_create *c = &m->create;
	struct sl_vt_staging *st = NULL;
	uint32_t id = 0;
	int r;

	if (v->version >= 3 && c->handle != 0) {
		return SL_FAULT_INVALID;
	}
	r = sl_vt_need_context(v);
	if (r != 0) {
		return r;
	}
	r = make(v, c, &id, &st);
	if (r == SL_FAULT_NO_MEMORY && sl_vt_pool_trim(v->pool)) {
		/* Once more, without idle memory in the way. */
		r = make(v, c, &id, &st);
	}
	if (r > 0) {
		r = refuse(v, c, r, &id);
	}
	if (r == 0 && v->version >= 3) {
		r = sl_vt_reply_words(v, m->id, &id, 1);
		if (r == 0 && id != 0) {
			sl_vt_record_created(v, id);
		}
	}
	if (r == 0 && c->data_size > 0) {
		sl_vt_staging_queue_fd(st, &v->out);
	}
	return r;
}

int sl_vt_resource_unref(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	int r = sl_session_resource_unref(v->session, m->resource.handle);

	sl_vt_record_unref(v, m->resource.handle);
	sl_vt_blob_release(v, m->resource.handle);
	return sl_vt_absorb(v, r);
}
