/* SPDX-License-Identifier: MIT */
/*
 * Bringing up the renderer: which EGL, which GL, what it is called, and everything that can be
 * paid before a client is there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/virgl/prepare.h"
#include "backend/virgl/virgl-private.h"
#include "util/cleanup.h"
#include "util/log.h"

#define GL_RENDERER 0x1f01
#define GL_VERSION 0x1f02
#define GL_MAJOR_VERSION 0x821b
#define GL_MINOR_VERSION 0x821c
#define GL_CONTEXT_PROFILE_MASK 0x9126
#define GL_CONTEXT_CORE_PROFILE_BIT 1

/* What libvirglrenderer needs at least: uniform buffers. */
#define MIN_GL_MAJOR 3
#define MIN_GL_MINOR 1
#define MIN_ES_MAJOR 3
#define MIN_ES_MINOR 0

static int explain(int error, char **ret_error, const char *text)
{
	*ret_error = strdup(text);
	return error;
}

/*
 * libepoxy aborts the process when it cannot find the library of the API it is asked for, and the
 * renderer asks it for GL without looking whether a context could be made: look here.
 */
static int check_gl(struct sl_egl *e, bool es, char **ret_error)
{
	EGLContext c;

	if (!es && !dlopen("libOpenGL.so.0", RTLD_NOW) && !dlopen("libGL.so.1", RTLD_NOW)) {
		return explain(-ENOENT, ret_error,
			"no desktop GL library: install libopengl0 or use --host-gl=es");
	}
	if (es && !dlopen("libGLESv2.so.2", RTLD_NOW)) {
		return explain(-ENOENT, ret_error,
			"no GLES library: install libgles2 or use --host-gl=core");
	}
	if (e->dpy == EGL_NO_DISPLAY) {
		return 0;
	}
	c = sl_egl_context_new(e, es ? MIN_ES_MAJOR : MIN_GL_MAJOR,
		es ? MIN_ES_MINOR : MIN_GL_MINOR, EGL_NO_CONTEXT);
	if (c == EGL_NO_CONTEXT) {
		return explain(-ENODEV, ret_error,
			es ? "the GL driver lacks OpenGL ES 3.0: use --host-gl=core or another "
			     "driver"
			   : "the GL driver lacks OpenGL 3.1: use --host-gl=es or another driver");
	}
	e->destroy_context(e->dpy, c);
	return 0;
}

/* One attempt: this API on this EGL (@platform < 0: the library's own, on gbm). */
static int try_start(struct virgl_backend *v, const struct sl_virgl_options *o, bool es,
	int platform, char **ret_error)
{
	struct sl_library_config config = {
		.render_node_fd = o->render_node_fd,
		.es = es,
		.thread_sync = o->render_node_fd >= 0,
		.fence_done = virgl_fence_reported,
		.user = v,
	};
	int r = 0;

	if (platform >= 0) {
		r = sl_egl_open(&v->egl, (enum sl_egl_platform)platform, es, o, ret_error);
		config.egl = &v->egl;
	}
	if (r == 0) {
		r = check_gl(&v->egl, es, ret_error);
	}
	if (r == 0) {
		r = sl_library_init(&config);
		if (r == -EBUSY) {
			explain(r, ret_error, "this process has a renderer already");
		} else if (r < 0 &&
			   asprintf(ret_error,
				   "libvirglrenderer cannot use %s: check its driver and "
				   "permissions, or "
				   "leave out --render-node",
				   o->render_node ? o->render_node : "software rendering") < 0) {
			*ret_error = NULL;
		}
	}
	if (r < 0) {
		sl_egl_close(&v->egl);
	}
	v->es = es;
	return r;
}

static int start(struct virgl_backend *v, const struct sl_virgl_options *o, char **ret_error)
{
	bool first_es = o->host_gl == SL_HOST_GL_ES, both = o->host_gl == SL_HOST_GL_ON;
	_cleanup_free_ char *why = NULL, *first = NULL;
	int r = -ENODEV;

	for (int es = first_es; es <= (first_es || both); es++) {
		/* gbm first: with it, scanouts can be exported. */
		static const int on_node[] = { -1, SL_EGL_DEVICE },
				 no_node[] = { SL_EGL_SURFACELESS };
		const int *platforms = o->render_node_fd >= 0 ? on_node : no_node;
		size_t n = o->render_node_fd >= 0 ? SL_ARRAY_LEN(on_node) : SL_ARRAY_LEN(no_node);

		for (size_t i = 0; i < n; i++) {
			r = try_start(v, o, es, platforms[i], &why);
			if (r == 0) {
				return 0;
			}
			sl_debug("renderer not started with %s: %s", es ? "GLES" : "desktop GL",
				why ? why : "out of memory");
			if (!first) {
				first = TAKE_PTR(why);
			}
			free(TAKE_PTR(why));
		}
	}
	*ret_error = TAKE_PTR(first); /* the first choice's trouble is the one to mend */
	return r;
}

static bool is_software(const char *renderer)
{
	return strstr(renderer, "llvmpipe") || strstr(renderer, "softpipe") ||
	       strstr(renderer, "swrast") || strstr(renderer, "Software Rasterizer");
}

/* What really renders, asked of the context that the library has made. */
static int identify(struct virgl_backend *v, const struct sl_virgl_options *o, char **ret_error)
{
	struct sl_renderer_info *info = &v->base.info;
	const unsigned char *(*get_string)(unsigned) =
		(const unsigned char *(*)(unsigned))v->egl.get_proc("glGetString");
	void (*get_int)(unsigned, int *) =
		(void (*)(unsigned, int *))v->egl.get_proc("glGetIntegerv");
	int major = 0, minor = 0, mask = 0;
	const char *name;
	void *glx;

	v->gl_finish = (void (*)(void))v->egl.get_proc("glFinish");
	v->gl_flush = (void (*)(void))v->egl.get_proc("glFlush");
	glx = dlopen("libGLX.so.0", RTLD_NOW | RTLD_NOLOAD);
	if (glx) {
		v->glx_get_current_context = (void *(*)(void))dlsym(glx, "glXGetCurrentContext");
	}
	if (!get_string || !get_int || !v->gl_finish || !v->gl_flush) {
		return explain(-ENOENT, ret_error,
			"EGL does not know the GL functions: its libraries do not belong together");
	}
	virgl_renderer_force_ctx_0();
	name = (const char *)get_string(GL_RENDERER);
	snprintf(info->name, sizeof(info->name), "%s", name ? name : "unknown");
	get_int(GL_MAJOR_VERSION, &major);
	get_int(GL_MINOR_VERSION, &minor);
	if (v->es) {
		snprintf(info->api, sizeof(info->api), "OpenGL ES %d.%d", major, minor);
	} else {
		get_int(GL_CONTEXT_PROFILE_MASK, &mask);
		snprintf(info->api, sizeof(info->api), "OpenGL %d.%d%s", major, minor,
			mask & GL_CONTEXT_CORE_PROFILE_BIT ? " core" : "");
	}
	snprintf(info->library, sizeof(info->library), "virglrenderer %s",
		sl_virgl_library_version());
	snprintf(info->node, sizeof(info->node), "%s",
		o->render_node_fd >= 0 && o->render_node ? o->render_node : "surfaceless");
	info->software = o->render_node_fd < 0 || is_software(info->name);
	return 0;
}

static int fill_caps(struct virgl_backend *v)
{
	for (uint32_t i = 0; i < N_CAPSETS; i++) {
		struct virgl_caps *c = &v->caps[i];

		virgl_renderer_get_cap_set(i + 1, &c->version, &c->size);
		if (c->size == 0) {
			continue;
		}
		c->data = calloc(1, c->size);
		if (!c->data) {
			return -ENOMEM;
		}
		virgl_renderer_fill_caps(i + 1, c->version, c->data);
	}
	virgl_renderer_force_ctx_0();
	return 0;
}

static void warm(struct virgl_backend *v)
{
	struct virgl_context *c;

	if (virgl_context_new(v, 0, "warm-up", &c) == 0) {
		if (!virgl_warm_up(c->lib_id)) {
			sl_warn("renderer %s: the warm-up triangle is wrong; clients may see wrong "
				"pixels too",
				v->base.info.name);
		}
		virgl_context_free(c);
	}
	/* Whatever is wrong here, the client's own creation will meet and report. */
	if (virgl_context_new(v, 0, "client", &v->spare) == 0) {
		virgl_make_first_sub_ctx(v->spare->lib_id);
	}
	virgl_renderer_force_ctx_0();
}

int sl_virgl_new(const struct sl_virgl_options *o, struct sl_backend **ret, char **ret_error)
{
	struct virgl_backend *v = calloc(1, sizeof(*v));
	int r;

	*ret_error = NULL;
	if (!v) {
		return -ENOMEM;
	}
	v->base.ops = &virgl_ops;
	v->base.flags = SL_BACKEND_SYNC_READ;
	v->poll_fd = -1;
	v->llvmpipe_threads = sl_virgl_prepare(o);
	r = sl_egl_load(&v->egl, o, ret_error);
	if (r == 0) {
		r = start(v, o, ret_error);
	}
	if (r < 0) {
		free(v);
		return r;
	}
	r = identify(v, o, ret_error);
	if (r == 0) {
		r = fill_caps(v);
	}
	if (r < 0) {
		virgl_ops.free(&v->base);
		return r;
	}
	v->poll_fd = sl_library_poll_fd();
	warm(v);
	if (v->base.info.software) {
		sl_virgl_spread_threads(v->llvmpipe_threads);
	}
	/* What starting up has freed: copies of the process would share it, and copy it to use it.
	 */
	malloc_trim(0);
	*ret = &v->base;
	return 0;
}
