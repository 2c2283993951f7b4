/* SPDX-License-Identifier: MIT */
/*
 * Blobs (version 3): memory of the client's, of the renderer's, or both. A refusal is answered with
 * id 0 and a byte without an fd, which is what clients take for a failed allocation.
 */
#include <errno.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"

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

void sl_vt_blob_release(struct sl_vtest *v, uint32_t id)
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
		sl_vt_blob_release(v, id);
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
