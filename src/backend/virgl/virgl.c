/* SPDX-License-Identifier: MIT */
/*
 * The virgl back end: the core's operations on libvirglrenderer.
 *
 * Many contexts live in one renderer, and two of the library's habits would mix them up: filling
 * caps draws in whatever context is current, and creating a context makes it current without
 * recording that. So caps are filled once, before there is a context, and context 0 is made current
 * by force after every creation; nothing is forced between a submit and its fence.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/virgl/prepare.h"
#include "backend/virgl/protocol.h"
#include "backend/virgl/virgl-private.h"
#include "core/format.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"

/* VIRGL_RESOURCE_FLAG_MAP_PERSISTENT and _COHERENT: for blobs that are mapped, not for these. */
#define RESOURCE_FLAGS_MAP 0x6u

static void virgl_free(struct sl_backend *b)
{
	struct virgl_backend *v = to_virgl(b);
	struct virgl_resource *r;
	struct virgl_context *c;
	size_t cursor = 0;

	while ((c = sl_idtable_next(&v->contexts, &cursor, NULL))) {
		virgl_context_free(c);
	}
	cursor = 0;
	while ((r = sl_idtable_next(&v->resources, &cursor, NULL))) {
		free(r);
	}
	virgl_context_free(v->spare);
	sl_library_cleanup();
	sl_egl_close(&v->egl);
	for (int i = 0; i < N_CAPSETS; i++) {
		free(v->caps[i].data);
	}
	sl_idtable_fini(&v->contexts);
	sl_idtable_fini(&v->resources);
	free(v->fences);
	free(v);
}

static const struct virgl_caps *get_caps(struct sl_backend *b, uint32_t capset)
{
	return capset >= 1 && capset <= N_CAPSETS ? &to_virgl(b)->caps[capset - 1] : NULL;
}

static void virgl_capset_info(
	struct sl_backend *b, uint32_t capset, uint32_t *ret_version, uint32_t *ret_size_bytes)
{
	const struct virgl_caps *c = get_caps(b, capset);

	*ret_version = c ? c->version : 0;
	*ret_size_bytes = c ? c->size : 0;
}

static int virgl_capset_fill(
	struct sl_backend *b, uint32_t capset, uint32_t version, void *buf, size_t size)
{
	const struct virgl_caps *c = get_caps(b, capset);

	if (!c || !c->data) {
		return SL_FAULT_UNSUPPORTED;
	}
	memcpy(buf, c->data, SL_MIN(size, (size_t)c->size));
	return 0;
}

int virgl_context_new(
	struct virgl_backend *v, uint32_t capset, const char *name, struct virgl_context **ret)
{
	struct virgl_context *c;
	int r;

	if (capset > N_CAPSETS) {
		return SL_FAULT_UNSUPPORTED;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		return -ENOMEM;
	}
	r = sl_stream_init(&c->stream);
	if (r < 0) {
		free(c);
		return r;
	}
	c->lib_id = ++v->next_lib_ctx;
	r = capset == 0 ? virgl_renderer_context_create(c->lib_id, (uint32_t)strlen(name), name)
			: virgl_renderer_context_create_with_flags(
				  c->lib_id, capset, (uint32_t)strlen(name), name);
	virgl_renderer_force_ctx_0();
	if (r != 0) {
		sl_stream_fini(&c->stream);
		free(c);
		return SL_FAULT_RENDERER;
	}
	*ret = c;
	return 0;
}

void virgl_context_free(struct virgl_context *c)
{
	if (!c) {
		return;
	}
	virgl_renderer_context_destroy(c->lib_id);
	sl_stream_fini(&c->stream);
	sl_idtable_fini(&c->attached);
	free(c);
}

/*
 * At the first call of a session. The process may have been forked since the renderer was made.
 * libglvnd notices that in a child at the first call into libGLX and at the first into libEGL, and
 * each time forgets what was current, while the renderer counts on it and libepoxy, whose every
 * look-up asks both, aborts. So let both notice, and make the same context current again.
 */
static void settle(struct virgl_backend *v)
{
	if (v->settled_for != v->base.events_user) {
		v->settled_for = v->base.events_user;
		if (v->egl.dpy != EGL_NO_DISPLAY) {
			if (v->glx_get_current_context) {
				v->glx_get_current_context();
			}
			v->egl.get_current_context();
			sl_egl_make_current(&v->egl, v->egl.current);
		}
	}
}

static int virgl_context_create(
	struct sl_backend *b, uint32_t ctx_id, uint32_t capset, const char *name)
{
	struct virgl_backend *v = to_virgl(b);
	struct virgl_context *c = capset <= N_CAPSETS ? TAKE_PTR(v->spare) : NULL;
	int r = 0;

	settle(v);
	if (!c) {
		r = virgl_context_new(v, capset, name ? name : "client", &c);
	}
	if (r != 0) {
		return r;
	}
	r = sl_idtable_insert(&v->contexts, ctx_id, c);
	if (r != 0) {
		virgl_context_free(c);
	}
	return r;
}

static void virgl_context_destroy(struct sl_backend *b, uint32_t ctx_id)
{
	struct virgl_backend *v = to_virgl(b);

	if (v->unflushed == ctx_id) {
		v->unflushed = 0;
	}
	virgl_context_free(sl_idtable_remove(&v->contexts, ctx_id));
}

static void virgl_context_attach(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id)
{
	struct virgl_backend *v = to_virgl(b);
	struct virgl_context *c = virgl_context_get(v, ctx_id);

	/* Should memory be out, the resource is unknown to the few commands that ask for it. */
	sl_idtable_insert(&c->attached, res_id, sl_idtable_get(&v->resources, res_id));
	virgl_renderer_ctx_attach_resource((int)c->lib_id, (int)res_id);
}

static void virgl_context_detach(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id)
{
	struct virgl_context *c = virgl_context_get(to_virgl(b), ctx_id);

	sl_idtable_remove(&c->attached, res_id);
	virgl_renderer_ctx_detach_resource((int)c->lib_id, (int)res_id);
}

static int virgl_resource_price(
	struct sl_backend *b, const struct sl_resource_args *args, uint64_t *ret_bytes)
{
	/* Where the host has only GLES, some versions take a path through gbm that we did not open.
	 */
	if (to_virgl(b)->es && (args->flags & RESOURCE_FLAGS_MAP)) {
		return SL_FAULT_INVALID;
	}
	if (!sl_stream_format_known(args->format, sl_library_last_format())) {
		return SL_FAULT_INVALID;
	}
	return sl_resource_args_price(args, ret_bytes);
}

static int virgl_resource_create(
	struct sl_backend *b, uint32_t res_id, const struct sl_resource_args *args)
{
	struct virgl_backend *v = to_virgl(b);
	struct virgl_renderer_resource_create_args a = {
		.handle = res_id,
		.target = args->target,
		.format = args->format,
		.bind = args->bind,
		.width = args->width,
		.height = args->height,
		.depth = args->depth,
		.array_size = args->array_size,
		.last_level = args->last_level,
		.nr_samples = args->nr_samples,
		.flags = args->flags,
	};
	struct virgl_resource *res = calloc(1, sizeof(*res));
	int r;

	if (!res) {
		return -ENOMEM;
	}
	settle(v);
	virgl_resource_price(b, args, &res->price);
	r = sl_idtable_insert(&v->resources, res_id, res);
	if (r != 0) {
		free(res);
		return r;
	}
	if (virgl_renderer_resource_create(&a, NULL, 0) != 0) {
		free(sl_idtable_remove(&v->resources, res_id));
		return SL_FAULT_RENDERER;
	}
	return 0;
}

static int virgl_resource_attach(
	struct sl_backend *b, uint32_t res_id, const struct iovec *iov, uint32_t n_iov)
{
	/* The library keeps the pointer and does not write to the array. */
	int r = virgl_renderer_resource_attach_iov((int)res_id, (struct iovec *)iov, (int)n_iov);
	struct virgl_resource *res = sl_idtable_get(&to_virgl(b)->resources, res_id);

	if (r != 0) {
		return SL_FAULT_RENDERER;
	}
	res->first_piece_bytes = iov[0].iov_len;
	return 0;
}

static void virgl_resource_detach(struct sl_backend *b, uint32_t res_id)
{
	struct virgl_resource *res = sl_idtable_get(&to_virgl(b)->resources, res_id);

	res->first_piece_bytes = 0;
	virgl_renderer_resource_detach_iov((int)res_id, NULL, NULL);
}

static void virgl_resource_destroy(struct sl_backend *b, uint32_t res_id)
{
	struct virgl_backend *v = to_virgl(b);
	struct virgl_context *c;
	size_t cursor = 0;

	while ((c = sl_idtable_next(&v->contexts, &cursor, NULL))) {
		sl_idtable_remove(&c->attached, res_id);
	}
	virgl_renderer_resource_unref(res_id);
	free(sl_idtable_remove(&v->resources, res_id));
}

/* struct sl_box is laid out as the library's own box, which its header leaves undefined. */
static struct virgl_box *to_box(const struct sl_box *box)
{
	return (struct virgl_box *)box;
}

static int virgl_transfer_write(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	int r = virgl_renderer_transfer_write_iov(res_id, virgl_lib_id(to_virgl(b), ctx_id),
		(int)t->level, t->stride_bytes, t->layer_stride_bytes, to_box(&t->box),
		t->offset_bytes, (struct iovec *)iov, iov ? n_iov : 0);

	return r != 0 ? SL_FAULT_RENDERER : 0;
}

static int virgl_transfer_read(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov)
{
	int r = virgl_renderer_transfer_read_iov(res_id, virgl_lib_id(to_virgl(b), ctx_id),
		t->level, t->stride_bytes, t->layer_stride_bytes, to_box(&t->box), t->offset_bytes,
		(struct iovec *)iov, iov ? (int)n_iov : 0);

	return r != 0 ? SL_FAULT_RENDERER : 0;
}

/* For the walk over a stream: whose it is. */
struct walker {
	struct virgl_backend *v;
	struct virgl_context *c;
};

static uint64_t res_price(void *user, uint32_t res_id)
{
	const struct walker *w = user;
	const struct virgl_resource *r = sl_idtable_get(&w->v->resources, res_id);

	return r ? r->price : 0;
}

static bool res_has_room(void *user, uint32_t res_id, size_t bytes)
{
	const struct walker *w = user;
	const struct virgl_resource *r = sl_idtable_get(&w->c->attached, res_id);

	return r && r->first_piece_bytes >= bytes;
}

static int virgl_submit_price(struct sl_backend *b, uint32_t ctx_id, const uint32_t *cmd,
	size_t n_dw, int64_t *ret_bytes, int32_t *ret_contexts)
{
	struct virgl_backend *v = to_virgl(b);
	struct walker w = { v, virgl_context_get(v, ctx_id) };
	struct sl_stream_host host = {
		.res_price = res_price,
		.res_has_room = res_has_room,
		.last_format = sl_library_last_format(),
		.user = &w,
	};

	return sl_stream_price(&w.c->stream, cmd, n_dw, &host, ret_bytes, ret_contexts);
}

static int virgl_submit(struct sl_backend *b, uint32_t ctx_id, uint32_t *cmd, size_t n_dw)
{
	struct virgl_backend *v = to_virgl(b);
	struct virgl_context *c = virgl_context_get(v, ctx_id);
	int r;

	v->queries |= c->stream.queries;
	r = virgl_renderer_submit_cmd(cmd, (int)c->lib_id, (int)n_dw);
	sl_stream_commit(&c->stream, r == 0);
	v->unflushed = ctx_id;
	return r != 0 ? SL_FAULT_RENDERER : 0;
}

const struct sl_backend_ops virgl_ops = {
	.name = "virgl",
	.free = virgl_free,
	.capset_info = virgl_capset_info,
	.capset_fill = virgl_capset_fill,
	.context_create = virgl_context_create,
	.context_destroy = virgl_context_destroy,
	.context_attach = virgl_context_attach,
	.context_detach = virgl_context_detach,
	.resource_price = virgl_resource_price,
	.resource_create = virgl_resource_create,
	.resource_attach = virgl_resource_attach,
	.resource_detach = virgl_resource_detach,
	.resource_destroy = virgl_resource_destroy,
	.transfer_write = virgl_transfer_write,
	.transfer_read = virgl_transfer_read,
	.submit_price = virgl_submit_price,
	.submit = virgl_submit,
	.fence_create = virgl_fence_create,
	.poll_fd = virgl_poll_fd,
	.poll = virgl_poll,
};

bool sl_virgl_forkable(const struct sl_backend *b)
{
	const struct virgl_backend *v = sl_container_of(b, const struct virgl_backend, base);
	int threads = sl_virgl_count_threads();

	/* Without /proc: with none of llvmpipe's, no fence thread and no cache, Mesa starts none.
	 */
	return b->ops == &virgl_ops && b->info.software && v->llvmpipe_threads == 0 &&
	       v->poll_fd < 0 && (threads < 0 || threads == 1);
}
