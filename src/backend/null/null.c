/* SPDX-License-Identifier: MIT */
/*
 * The null back end: it checks everything and draws nothing. It is the double behind which front
 * ends are tested and fuzzed, and the template from which a new back end is copied: every
 * operation is here, in the order of the vtable, with what the core has guaranteed by then.
 *
 * What a back end may rely on: ids exist (or do not, for a creation), sizes are priced, boxes lie
 * within resources and ranges within iovecs, and all calls come from one thread. It asserts these
 * here, so that a test on this back end proves the core right.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "backend/null/null.h"
#include "core/format.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"
#include "util/idtable.h"

/* As large as virglrenderer's, so that front ends meet realistic sizes. */
#define CAPS_V1_BYTES 308u
#define CAPS_V2_BYTES 1380u

struct null_resource {
	struct sl_resource_args args;
	bool blob;
	int fd; /* host memory of a blob, or -1 */
	uint64_t size_bytes;
	const struct iovec *iov; /* the core's */
	uint32_t n_iov;
};

struct null_fence {
	uint32_t ctx_id, ring;
	uint64_t id;
};

struct null_backend {
	struct sl_backend base;
	struct sl_idtable contexts; /* the value is this struct: only existence matters */
	struct sl_idtable resources;
	int event_fd; /* -1 unless asynchronous */
	struct null_fence *fences;
	size_t n_fences, n_fences_max;
};

static struct null_backend *to_null(struct sl_backend *b)
{
	return sl_container_of(b, struct null_backend, base);
}

static struct null_resource *get_resource(struct null_backend *n, uint32_t res_id)
{
	struct null_resource *r = sl_idtable_get(&n->resources, res_id);

	assert(r);
	return r;
}

static void free_resource(struct null_resource *r)
{
	sl_close(r->fd);
	free(r);
}

/* The core has destroyed all resources and contexts before, but a free must not depend on it. */
static void null_free(struct sl_backend *b)
{
	struct null_backend *n = to_null(b);
	struct null_resource *r;
	size_t cursor = 0;

	while ((r = sl_idtable_next(&n->resources, &cursor, NULL))) {
		free_resource(r);
	}
	sl_idtable_fini(&n->resources);
	sl_idtable_fini(&n->contexts);
	sl_close(n->event_fd);
	free(n->fences);
	free(n);
}

static void null_capset_info(
	struct sl_backend *b, uint32_t capset, uint32_t *ret_version, uint32_t *ret_size_bytes)
{
	*ret_version = capset == 1 ? 1 : capset == 2 ? 2 : 0;
	*ret_size_bytes = capset == 1 ? CAPS_V1_BYTES : capset == 2 ? CAPS_V2_BYTES : 0;
}

static int null_capset_fill(
	struct sl_backend *b, uint32_t capset, uint32_t version, void *buf, size_t size)
{
	uint32_t max_version, max_size;

	null_capset_info(b, capset, &max_version, &max_size);
	assert(version <= max_version && size <= max_size);
	memset(buf, 0, size);
	return 0;
}

static int null_context_create(
	struct sl_backend *b, uint32_t ctx_id, uint32_t capset, const char *name)
{
	struct null_backend *n = to_null(b);

	if (capset > 2) {
		return SL_FAULT_UNSUPPORTED;
	}
	return sl_idtable_insert(&n->contexts, ctx_id, n);
}

static void null_context_destroy(struct sl_backend *b, uint32_t ctx_id)
{
	void *c = sl_idtable_remove(&to_null(b)->contexts, ctx_id);

	assert(c);
}

static void null_context_attach(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id)
{
	assert(sl_idtable_get(&to_null(b)->contexts, ctx_id));
	get_resource(to_null(b), res_id);
}

static void null_context_detach(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id)
{
	null_context_attach(b, ctx_id, res_id);
}

static int null_resource_price(
	struct sl_backend *b, const struct sl_resource_args *args, uint64_t *ret_bytes)
{
	return sl_resource_args_price(args, ret_bytes);
}

static int add_resource(struct null_backend *n, uint32_t res_id, const struct null_resource *from)
{
	struct null_resource *r = malloc(sizeof(*r));
	int e;

	if (!r) {
		return -ENOMEM;
	}
	*r = *from;
	e = sl_idtable_insert(&n->resources, res_id, r);
	if (e != 0) {
		free(r);
	}
	return e;
}

static int null_resource_create(
	struct sl_backend *b, uint32_t res_id, const struct sl_resource_args *args)
{
	struct null_resource r = { .args = *args, .fd = -1 };

	return add_resource(to_null(b), res_id, &r);
}

static int null_resource_create_blob(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
	const struct sl_blob_args *args, const struct iovec *iov, uint32_t n_iov)
{
	struct null_resource r = {
		.blob = true,
		.fd = -1,
		.size_bytes = args->size_bytes,
		.iov = iov,
		.n_iov = n_iov,
	};
	int e;

	if (args->mem != SL_BLOB_GUEST) {
		r.fd = sl_memfd_sealed("null-blob", args->size_bytes);
		if (r.fd < 0) {
			return r.fd == -EFBIG ? SL_FAULT_INVALID : r.fd;
		}
	}
	e = add_resource(to_null(b), res_id, &r);
	if (e != 0) {
		sl_close(r.fd);
	}
	return e;
}

static int null_resource_export(
	struct sl_backend *b, uint32_t res_id, int *ret_fd, uint64_t *ret_size)
{
	struct null_resource *r = get_resource(to_null(b), res_id);
	int fd;

	if (r->fd < 0) {
		return SL_FAULT_INVALID;
	}
	fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		return -errno;
	}
	*ret_fd = fd;
	*ret_size = r->size_bytes;
	return 0;
}

static int null_resource_attach(
	struct sl_backend *b, uint32_t res_id, const struct iovec *iov, uint32_t n_iov)
{
	struct null_resource *r = get_resource(to_null(b), res_id);

	assert(!r->iov && n_iov > 0);
	r->iov = iov;
	r->n_iov = n_iov;
	return 0;
}

static void null_resource_detach(struct sl_backend *b, uint32_t res_id)
{
	struct null_resource *r = get_resource(to_null(b), res_id);

	assert(r->iov);
	r->iov = NULL;
	r->n_iov = 0;
}

/* Contexts that it is attached to forget it: there is no detach for each before. */
static void null_resource_destroy(struct sl_backend *b, uint32_t res_id)
{
	struct null_backend *n = to_null(b);

	free_resource(get_resource(n, res_id));
	sl_idtable_remove(&n->resources, res_id);
}

/* The checks of both transfers; the bytes from t->offset_bytes on that the box may touch. */
static uint64_t check_transfer(struct null_backend *n, struct null_resource *r, uint32_t ctx_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	uint64_t have = 0, bytes = 1;

	assert(ctx_id == 0 || sl_idtable_get(&n->contexts, ctx_id));
	assert(iov && n_iov > 0);
	for (uint32_t i = 0; i < n_iov; i++) {
		have += iov[i].iov_len;
	}
	if (!r->blob) {
		int e = sl_transfer_extent(&r->args, t, &bytes);

		assert(e == 0 && bytes > 0);
	}
	assert(t->offset_bytes <= have && bytes <= have - t->offset_bytes);
	return bytes;
}

static int null_transfer_write(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	struct null_resource *r = get_resource(to_null(b), res_id);

	check_transfer(to_null(b), r, ctx_id, t, iov ? iov : r->iov, iov ? n_iov : r->n_iov);
	return 0;
}

/* Byte i of the memory becomes i & 0xff for the whole extent: a test can tell what it got. */
static int null_transfer_read(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	struct null_resource *r = get_resource(to_null(b), res_id);
	uint64_t pos = 0, end;

	if (!iov) {
		iov = r->iov;
		n_iov = r->n_iov;
	}
	end = t->offset_bytes + check_transfer(to_null(b), r, ctx_id, t, iov, n_iov);
	for (uint32_t i = 0; i < n_iov && pos < end; i++) {
		uint8_t *p = iov[i].iov_base;

		for (size_t k = 0; k < iov[i].iov_len && pos < end; k++, pos++) {
			if (pos >= t->offset_bytes) {
				p[k] = (uint8_t)pos;
			}
		}
	}
	return 0;
}

static int null_submit(struct sl_backend *b, uint32_t ctx_id, uint32_t *cmd, size_t n_dw)
{
	assert(sl_idtable_get(&to_null(b)->contexts, ctx_id));
	assert(cmd && n_dw > 0);
	return 0;
}

static int keep_fence(struct null_backend *n, const struct null_fence *f)
{
	if (n->n_fences == n->n_fences_max) {
		size_t max = SL_MAX(n->n_fences_max * 2, (size_t)16);
		struct null_fence *grown = reallocarray(n->fences, max, sizeof(*grown));

		if (!grown) {
			return -ENOMEM;
		}
		n->fences = grown;
		n->n_fences_max = max;
	}
	n->fences[n->n_fences++] = *f;
	return eventfd_write(n->event_fd, 1) < 0 ? -errno : 0;
}

static int null_fence_create(
	struct sl_backend *b, uint32_t ctx_id, uint32_t ring, uint64_t fence_id)
{
	struct null_backend *n = to_null(b);
	struct null_fence f = { .ctx_id = ctx_id, .ring = ring, .id = fence_id };

	assert(sl_idtable_get(&n->contexts, ctx_id));
	if (n->event_fd >= 0) {
		return keep_fence(n, &f);
	}
	b->events->fence_done(b->events_user, ctx_id, ring, fence_id);
	return 0;
}

static int null_poll_fd(struct sl_backend *b)
{
	return to_null(b)->event_fd;
}

static uint64_t null_poll(struct sl_backend *b)
{
	struct null_backend *n = to_null(b);
	eventfd_t count;

	if (n->n_fences > 0) {
		eventfd_read(n->event_fd, &count);
	}
	for (size_t i = 0; i < n->n_fences; i++) {
		const struct null_fence *f = &n->fences[i];

		b->events->fence_done(b->events_user, f->ctx_id, f->ring, f->id);
	}
	n->n_fences = 0;
	return SL_NEVER_NS;
}

static const struct sl_backend_ops null_ops = {
	.name = "null",
	.free = null_free,
	.capset_info = null_capset_info,
	.capset_fill = null_capset_fill,
	.context_create = null_context_create,
	.context_destroy = null_context_destroy,
	.context_attach = null_context_attach,
	.context_detach = null_context_detach,
	.resource_price = null_resource_price,
	.resource_create = null_resource_create,
	.resource_create_blob = null_resource_create_blob,
	.resource_export = null_resource_export,
	.resource_attach = null_resource_attach,
	.resource_detach = null_resource_detach,
	.resource_destroy = null_resource_destroy,
	.transfer_write = null_transfer_write,
	.transfer_read = null_transfer_read,
	/* No submit_price: its streams create nothing. */
	.submit = null_submit,
	.fence_create = null_fence_create,
	.poll_fd = null_poll_fd,
	.poll = null_poll,
};

int sl_null_new(const struct sl_null_options *o, struct sl_backend **ret)
{
	struct null_backend *n = calloc(1, sizeof(*n));

	if (!n) {
		return -ENOMEM;
	}
	n->base.ops = &null_ops;
	n->base.flags = SL_BACKEND_BLOB;
	n->base.info = (struct sl_renderer_info){
		.name = "null", .library = "built in", .software = true
	};
	n->event_fd = -1;
	if (o && o->async) {
		n->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (n->event_fd < 0) {
			free(n);
			return -errno;
		}
	} else {
		n->base.flags |= SL_BACKEND_SYNC_ALL;
	}
	*ret = &n->base;
	return 0;
}
