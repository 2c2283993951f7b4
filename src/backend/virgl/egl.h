/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <EGL/egl.h>

#include "backend/virgl/virgl.h"

/*
 * An EGL display of our own, for libvirglrenderer's winsys callbacks. Nothing links to libEGL: it
 * is opened at run time, so that a configured library takes its place.
 */
struct sl_egl {
	void *lib;
	PFNEGLGETPROCADDRESSPROC get_proc;
	PFNEGLBINDAPIPROC bind_api;
	PFNEGLCREATECONTEXTPROC create_context;
	PFNEGLDESTROYCONTEXTPROC destroy_context;
	PFNEGLMAKECURRENTPROC make_current;
	PFNEGLGETCURRENTCONTEXTPROC get_current_context;
	PFNEGLQUERYSTRINGPROC query_string;
	PFNEGLTERMINATEPROC terminate;
	EGLDisplay dpy; /* EGL_NO_DISPLAY until sl_egl_open() */
	EGLConfig config;
	EGLContext current; /* as sl_egl_make_current() left it */
	bool es;            /* which API contexts are made for */
	bool robust;        /* contexts with bounds-checked buffer access */
};

enum sl_egl_platform {
	SL_EGL_SURFACELESS,
	SL_EGL_DEVICE, /* EGL_EXT_platform_device: proprietary drivers without gbm */
};

/*
 * Load libEGL (and the GLES library, if one is named) ahead of whoever will ask for them by
 * soname. 0, or -ENOENT with one line in *ret_error.
 */
int sl_egl_load(struct sl_egl *e, const struct sl_virgl_options *o, char **ret_error);

/* A display of this platform, initialised, for desktop GL or GLES. 0, or -ENODEV with a line. */
int sl_egl_open(struct sl_egl *e, enum sl_egl_platform platform, bool es,
	const struct sl_virgl_options *o, char **ret_error);

/* A context of exactly this version, sharing with @share (or EGL_NO_CONTEXT); NULL if none. */
EGLContext sl_egl_context_new(struct sl_egl *e, int major, int minor, EGLContext share);

bool sl_egl_make_current(struct sl_egl *e, EGLContext c);

/* Terminate the display. The libraries stay: GL drivers do not survive being unloaded. */
void sl_egl_close(struct sl_egl *e);
