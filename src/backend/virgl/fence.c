/* SPDX-License-Identifier: MIT */
/*
 * When drawing starts and when it is done.
 *
 * A fence belongs to the GL context current when it is made; as ours are made late, an empty stream
 * first makes the right context current, which costs nothing when it is already.
 *
 * Software rendering needs no fence objects: glFinish() waits for nothing but the rasteriser. The
 * library's own fence would switch GL contexts twice. It is made only when a client waits for a
 * query, whose result the library writes when a fence retires.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/virgl/protocol.h"
#include "backend/virgl/virgl-private.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"

/* How soon to ask again for a fence that no fd tells about. */
#define RETRY_NS (150 * SL_NSEC_PER_USEC)

static void make_current(struct virgl_backend *v, uint32_t ctx_id)
{
	uint32_t nop = VIRGL_CMD(VIRGL_NOP, 0, 0);

	virgl_renderer_submit_cmd(&nop, (int)virgl_lib_id(v, ctx_id), 1);
}

static int keep_fence(struct virgl_backend *v, const struct virgl_fence *f)
{
	if (v->n_fences == v->n_fences_max) {
		size_t max = SL_MAX(v->n_fences_max * 2, (size_t)16);
		struct virgl_fence *grown = reallocarray(v->fences, max, sizeof(*grown));

		if (!grown) {
			return -ENOMEM;
		}
		v->fences = grown;
		v->n_fences_max = max;
	}
	v->fences[v->n_fences++] = *f;
	return 0;
}

/* One report stands for all older fences: the library merges them, and they finish in order. */
void virgl_fence_reported(void *user, uint32_t lib_id)
{
	struct virgl_backend *v = user;
	size_t n = 0;

	while (n < v->n_fences && (int32_t)(lib_id - v->fences[n].lib_id) >= 0) {
		const struct virgl_fence *f = &v->fences[n++];

		v->base.events->fence_done(v->base.events_user, f->ctx_id, f->ring, f->id);
	}
	v->n_fences -= n;
	memmove(v->fences, v->fences + n, v->n_fences * sizeof(*v->fences));
}

static int library_fence(struct virgl_backend *v, uint32_t ctx_id, uint32_t ring, uint64_t id)
{
	struct virgl_fence f = { ++v->next_lib_fence, ctx_id, ring, id };
	int r = keep_fence(v, &f);

	if (r < 0) {
		return r;
	}
	if (virgl_renderer_create_fence((int)f.lib_id, 0) != 0) {
		v->n_fences--;
		return SL_FAULT_RENDERER;
	}
	return 0;
}

int virgl_fence_create(struct sl_backend *b, uint32_t ctx_id, uint32_t ring, uint64_t fence_id)
{
	struct virgl_backend *v = to_virgl(b);
	int r;

	make_current(v, ctx_id);
	v->unflushed = 0;
	if (!b->info.software) {
		return library_fence(v, ctx_id, ring, fence_id);
	}
	v->gl_finish();
	if (!v->queries && v->n_fences == 0) {
		b->events->fence_done(b->events_user, ctx_id, ring, fence_id);
		return 0;
	}
	r = library_fence(v, ctx_id, ring, fence_id);
	if (r == 0) {
		virgl_renderer_poll(); /* finished already, so this reports it */
		v->queries = v->n_fences > 0;
	}
	return r;
}

int virgl_poll_fd(struct sl_backend *b)
{
	return to_virgl(b)->poll_fd;
}

/*
 * Everything that has come in is handled, and nothing was waited for yet: drawing can go on while
 * the client prepares its next request, most often the one that waits for it.
 */
static void start_drawing(struct virgl_backend *v)
{
	if (v->unflushed) {
		make_current(v, v->unflushed);
		v->gl_flush();
		v->unflushed = 0;
	}
}

uint64_t virgl_poll(struct sl_backend *b)
{
	struct virgl_backend *v = to_virgl(b);

	start_drawing(v);
	if (v->n_fences > 0) {
		virgl_renderer_poll();
	}
	return v->n_fences == 0 || v->poll_fd >= 0 ? SL_NEVER_NS : RETRY_NS;
}
