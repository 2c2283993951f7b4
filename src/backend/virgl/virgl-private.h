/* SPDX-License-Identifier: MIT */
#pragma once

#include "backend/virgl/egl.h"
#include "backend/virgl/library.h"
#include "backend/virgl/stream.h"
#include "core/backend.h"
#include "util/cleanup.h"
#include "util/idtable.h"

struct virgl_context {
	uint32_t lib_id;
	struct sl_stream stream;
	struct sl_idtable attached; /* id to struct virgl_resource */
};

struct virgl_resource {
	uint64_t price;           /* of its pixels */
	size_t first_piece_bytes; /* of its backing */
};

/* A fence that the library has not reported. Its ids rise by one; they may wrap. */
struct virgl_fence {
	uint32_t lib_id;
	uint32_t ctx_id, ring;
	uint64_t id;
};

struct virgl_caps {
	uint32_t version, size;
	void *data;
};

#define N_CAPSETS 2 /* capsets 1 and 2 */

struct virgl_backend {
	struct sl_backend base;
	struct sl_egl egl;
	struct virgl_caps caps[N_CAPSETS];
	struct sl_idtable contexts;  /* the core's id to struct virgl_context */
	struct sl_idtable resources; /* struct virgl_resource */
	struct virgl_context *spare; /* made ahead for the first client */
	uint32_t next_lib_ctx;
	struct virgl_fence *fences; /* oldest first */
	size_t n_fences, n_fences_max;
	uint32_t next_lib_fence;
	int poll_fd;
	int llvmpipe_threads; /* meaningful with software rendering on llvmpipe */
	bool queries; /* a query's result is outstanding: the library writes it when a fence retires
		       */
	bool es;
	void *settled_for; /* the session that settle() has seen */
	void (*gl_finish)(void);
	void (*gl_flush)(void);
	uint32_t unflushed; /* the context that was submitted to last and not flushed, or 0 */
	void *(*glx_get_current_context)(void); /* if libepoxy has loaded libGLX */
};

extern const struct sl_backend_ops virgl_ops;

static inline struct virgl_backend *to_virgl(struct sl_backend *b)
{
	return sl_container_of(b, struct virgl_backend, base);
}

static inline struct virgl_context *virgl_context_get(struct virgl_backend *v, uint32_t ctx_id)
{
	return sl_idtable_get(&v->contexts, ctx_id);
}

/* The library's id; its 0 is no context, as the core's. */
static inline uint32_t virgl_lib_id(struct virgl_backend *v, uint32_t ctx_id)
{
	const struct virgl_context *c = virgl_context_get(v, ctx_id);

	return c ? c->lib_id : 0;
}

/* A library context (capset 0: the default). 0 or a fault. Leaves library context 0 current. */
int virgl_context_new(
	struct virgl_backend *v, uint32_t capset, const char *name, struct virgl_context **ret);
void virgl_context_free(struct virgl_context *c);

/* fence.c: operations of the back end. */
void virgl_fence_reported(void *user, uint32_t lib_id);
int virgl_fence_create(struct sl_backend *b, uint32_t ctx_id, uint32_t ring, uint64_t fence_id);
int virgl_poll_fd(struct sl_backend *b);
uint64_t virgl_poll(struct sl_backend *b);

/* Draw and read back one triangle in a throw-away context: the renderer's lazy parts start. */
bool virgl_warm_up(uint32_t lib_ctx);
/* Make the sub-context that Mesa will ask for first; the ask then finds it. */
void virgl_make_first_sub_ctx(uint32_t lib_ctx);
