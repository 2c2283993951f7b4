/* SPDX-License-Identifier: MIT */
/*
 * Resources, transfers, command buffers and the wait for them. The protocol has no error replies,
 * so a refusal is what its clients understand: for a resource with shared memory, the byte that
 * should carry the fd comes without one, and Mesa reports GL_OUT_OF_MEMORY; for one without, the
 * handle is poisoned and every later use absorbed.
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

/*
 * Guest memory is part of a blob from its creation, so the core keeps no release callback for it:
 * the table does, until the blob is gone.
 */
static int make_guest_blob(struct sl_vtest *v, const struct sl_blob_args *args, uint32_t *ret_id,
	struct sl_vt_staging **ret_staging)
{
	struct sl_vt_staging *st = NULL;
	struct iovec iov;
	uint32_t id = 0;
	int r;

	r = sl_vt_pool_get(v->pool, args->size_bytes, &st);
	if (r != 0) {
		return r;
	}
	iov = (struct iovec){ .iov_base = st->map, .iov_len = (size_t)args->size_bytes };
	r = sl_session_resource_create_blob(v->session, SL_VT_CTX, 0, args, &iov, 1, 0, &id);
	if (r == 0) {
		r = sl_session_context_attach(v->session, SL_VT_CTX, id);
		if (r == 0) {
			r = sl_idtable_insert(&v->blobs, id, st);
		}
		if (r != 0) {
			sl_session_resource_unref(v->session, id);
		}
	}
	if (r != 0) {
		sl_vt_staging_release(st);
		return r;
	}
	sl_vt_record_backing(v, id, st->map, iov.iov_len);
	*ret_id = id;
	*ret_staging = st;
	return 0;
}

static int make_host_blob(
	struct sl_vtest *v, const struct sl_blob_args *args, uint32_t *ret_id, int *ret_fd)
{
	uint64_t size = 0;
	uint32_t id = 0;
	int r;

	r = sl_session_resource_create_blob(v->session, SL_VT_CTX, 0, args, NULL, 0, 0, &id);
	if (r != 0) {
		return r;
	}
	r = sl_session_context_attach(v->session, SL_VT_CTX, id);
	if (r == 0) {
		r = sl_session_resource_export(v->session, id, ret_fd, &size);
	}
	if (r != 0) {
		sl_session_resource_unref(v->session, id);
		return r;
	}
	*ret_id = id;
	return 0;
}

static int make_blob(struct sl_vtest *v, const struct sl_vtest_blob *b, uint32_t *ret_id,
	struct sl_vt_staging **ret_staging, int *ret_fd)
{
	struct sl_blob_args args = {
		.mem = b->type,
		.flags = b->flags,
		.blob_id = b->blob_id,
		.size_bytes = b->size_bytes,
	};

	if (b->type == SL_BLOB_HOST3D) {
		return make_host_blob(v, &args, ret_id, ret_fd);
	}
	return make_guest_blob(v, &args, ret_id, ret_staging);
}

static void release_blob(struct sl_vtest *v, uint32_t id)
{
	struct sl_vt_staging *st = sl_idtable_remove(&v->blobs, id);

	if (st) {
		sl_vt_staging_release(st);
	}
}

void sl_vt_blobs_fini(struct sl_vtest *v)
{
	size_t cursor = 0;
	uint32_t id;

	while (sl_idtable_next(&v->blobs, &cursor, &id)) {
		sl_session_resource_unref(v->session, id);
		release_blob(v, id);
	}
	sl_idtable_fini(&v->blobs);
}

int sl_vt_resource_create_blob(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	struct sl_vt_staging *st = NULL;
	uint32_t id = 0;
	int fd = -1, r;

	r = sl_vt_need_context(v);
	if (r != 0) {
		return r;
	}
	r = make_blob(v, &m->blob, &id, &st, &fd);
	if (r == SL_FAULT_NO_MEMORY && sl_vt_pool_trim(v->pool)) {
		r = make_blob(v, &m->blob, &id, &st, &fd);
	}
	if (r > 0) {
		/* Id 0 and a byte without an fd: what a client takes for a failed allocation. */
		r = sl_vt_absorb(v, r);
	}
	if (r == 0) {
		r = sl_vt_reply_words(v, m->id, &id, 1);
	}
	if (r == 0 && id != 0) {
		sl_vt_record_created(v, id);
	}
	if (r != 0) {
		sl_close(fd);
		return r;
	}
	if (st) {
		sl_vt_staging_queue_fd(st, &v->out);
	} else {
		sl_vt_output_fd(&v->out, fd, true);
	}
	return 0;
}

int sl_vt_resource_unref(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	int r = sl_session_resource_unref(v->session, m->resource.handle);

	sl_vt_record_unref(v, m->resource.handle);
	release_blob(v, m->resource.handle);
	return sl_vt_absorb(v, r);
}

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
		sl_session_transfer_write(
			v->session, SL_VT_CTX, m->transfer.handle, &t, &iov, 1));
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
		r = sl_session_wait_resource(
			v->session, SL_VT_CTX, m->transfer.handle, &v->wait);
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
		r = sl_session_transfer_read(v->session, SL_VT_CTX, handle, &t, NULL, 0);
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
		r = sl_session_resource_exists(v->session, handle) ?
			sl_session_resource_busy(v->session, SL_VT_CTX, handle) :
			SL_FAULT_UNKNOWN_ID;
		if (r == SL_VT_PENDING) {
			busy = 1;
			r = 0;
		}
	}
	r = sl_vt_absorb(v, r);
	return r != 0 ? r : sl_vt_reply_words(v, m->id, &busy, 1);
}
