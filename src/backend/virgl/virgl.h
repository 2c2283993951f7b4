/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/backend.h"

/*
 * The virgl back end: libvirglrenderer in this process (there can be one instance). It is made in
 * steps, so that a process can be prepared before it knows its client:
 *
 *  sl_virgl_preload()  map and relocate the libraries. No threads, no device; fork()ing after is
 *                      safe.
 *  sl_virgl_new()      EGL, the renderer, the capsets' contents, a first default context and a
 *                      warm-up draw, so that a client's first frame meets neither.
 *
 * With software rendering and no renderer threads (info.software, sl_virgl_forkable()) the process
 * may still be forked after sl_virgl_new(); each copy is a renderer of its own.
 */
enum sl_host_gl {
	SL_HOST_GL_ON = 0, /* desktop GL, else GLES */
	SL_HOST_GL_CORE,
	SL_HOST_GL_ES,
};

struct sl_virgl_options {
	enum sl_host_gl host_gl;
	const char *render_node; /* path, for messages and info; NULL: surfaceless */
	int render_node_fd;      /* open fd of it (duplicated), or -1 */
	const char *egl_library; /* libEGL.so.1 to load in place of the default, or NULL */
	const char *gles_library;
	int llvmpipe_threads; /* -1: choose from the number of processors */
	/* Where Mesa shall look for compiled shaders, and leave them; or NULL. */
	const char *shader_cache;
};

int sl_virgl_preload(const struct sl_virgl_options *o, char **ret_error);

/*
 * Open the software renderer's display and close it again: every file that this needs is loaded
 * afterwards, and found loaded by whoever makes the renderer in an empty root. After
 * sl_virgl_preload(), in a process that will not make the renderer itself.
 */
void sl_virgl_rehearse(const struct sl_virgl_options *o);

/* How many threads llvmpipe will have in this process and its forks; 0: sl_virgl_forkable(). */
int sl_virgl_threads(const struct sl_virgl_options *o);

/*
 * Whether compiled shaders are looked for: in software rendering with threads, as the cache needs
 * one too. A GPU driver's cache is another, and not known to us.
 */
bool sl_virgl_caches_shaders(const struct sl_virgl_options *o);

/*
 * On failure *ret_error is one line that names the cause and the remedy ("no EGL device: install
 * libegl-mesa0 or set --render-node"); the caller frees it.
 */
int sl_virgl_new(const struct sl_virgl_options *o, struct sl_backend **ret, char **ret_error);

/* Whether the process may be forked now: one thread, nothing of the kernel's in the renderer. */
bool sl_virgl_forkable(const struct sl_backend *b);

/* "on", "core", "es"; -EINVAL otherwise. */
int sl_host_gl_parse(const char *s, enum sl_host_gl *ret);
const char *sl_host_gl_str(enum sl_host_gl v);

/* "0.10.4", "1.1.0": the libvirglrenderer this was built with. */
const char *sl_virgl_library_version(void);
