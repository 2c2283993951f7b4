/* SPDX-License-Identifier: MIT */
/*
 * Which back end a worker has and when it is made: once in the zygote, to be inherited by fork, or
 * in each worker. Inherited, it starts in 3 ms instead of 80 and takes a third of the memory; that
 * is possible only for software rendering without threads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/null/null.h"
#include "worker/renderer.h"
#include "worker/shaders.h"

static int make_null(struct sl_backend **ret)
{
	return sl_null_new(&(struct sl_null_options){ 0 }, ret);
}

int sl_renderer_make(const struct sl_worker_options *o, struct sl_backend **ret, char **ret_error)
{
	*ret_error = NULL;
	return o->null_backend ? make_null(ret) : sl_virgl_new(&o->virgl, ret, ret_error);
}

/* What is known not to be inheritable before it is tried. */
static bool never_inherits(const struct sl_worker_options *o)
{
	return o->no_inherit || o->virgl.render_node_fd >= 0 || sl_virgl_threads(&o->virgl) > 0;
}

static bool forkable(const struct sl_worker_options *o, const struct sl_backend *b)
{
#ifdef SL_HOSTILE
	if (o->pretend_threads) {
		return false;
	}
#endif
	return sl_virgl_forkable(b);
}

bool sl_renderer_caches_shaders(const struct sl_worker_options *o)
{
	return !o->null_backend && sl_virgl_caches_shaders(&o->virgl);
}

bool sl_renderer_needs_files(const struct sl_worker_options *o)
{
	return o->keep_root || (!o->null_backend && o->virgl.render_node_fd >= 0);
}

int sl_renderer_prepare(
	const struct sl_worker_options *o, struct sl_backend **ret, char **ret_error)
{
	struct sl_backend *b;
	int r;

	*ret_error = NULL;
	if (o->null_backend) {
		return make_null(ret);
	}
	if (sl_virgl_caches_shaders(&o->virgl)) {
		sl_shaders_enable();
	}
	r = sl_virgl_preload(&o->virgl, ret_error);
	if (r < 0) {
		return r;
	}
	if (never_inherits(o)) {
		if (!sl_renderer_needs_files(o)) {
			sl_virgl_rehearse(&o->virgl);
		}
		*ret = NULL;
		return 0;
	}
	r = sl_virgl_new(&o->virgl, &b, ret_error);
	if (r < 0) {
		return r;
	}
	if (!forkable(o, b)) {
		return -EAGAIN;
	}
	*ret = b;
	return 0;
}

void sl_renderer_describe(const struct sl_backend *b, uint32_t layers, union sl_ctl_message *ret)
{
	struct sl_ctl_renderer *r = &ret->renderer;

	sl_ctl_init(ret, SL_CTL_RENDERER, 0);
	snprintf(r->name, sizeof(r->name), "%s", b->info.name);
	snprintf(r->api, sizeof(r->api), "%s", b->info.api);
	snprintf(r->library, sizeof(r->library), "%s", b->info.library);
	snprintf(r->node, sizeof(r->node), "%s", b->info.node);
	r->software = b->info.software;
	r->layers = layers;
}
