/* SPDX-License-Identifier: MIT */
/*
 * EGL without libvirglrenderer's help. Its own winsys opens the first render node it finds even
 * when asked for surfaceless, and needs gbm for any other; so surfaceless and device displays are
 * opened here and handed to it through its winsys callbacks, the same on all its versions.
 *
 * How a configured library takes effect: libepoxy, through which libvirglrenderer calls GL and
 * EGL, dlopen()s "libEGL.so.1" and "libGLESv2.so.2" by soname when they are first used. The dynamic
 * loader answers that with a library already loaded under the same soname, wherever it lies. So a
 * file with that soname, loaded here first with RTLD_GLOBAL, is what everybody gets; a file with
 * another soname would be loaded beside the default one, and is refused.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <EGL/egl.h>
#include <EGL/eglext.h>

#include "backend/virgl/egl.h"
#include "util/cleanup.h"
#include "util/error.h"

#define MAX_DEVICES 32

/* As the words of a space-separated list. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && (p = strstr(p, word)); p += n) {
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0')) {
			return true;
		}
	}
	return false;
}

static int load(const char *path, const char *soname, void **ret, char **ret_error)
{
	void *lib = dlopen(path ? path : soname, RTLD_NOW | RTLD_GLOBAL);

	if (!lib) {
		return sl_error_line(ret_error, -ENOENT, "cannot load %s: %s: %s",
			path ? path : soname, dlerror(),
			path ? "correct the configured path" : "install libegl1 and libegl-mesa0");
	}
	if (path && dlopen(soname, RTLD_NOW | RTLD_NOLOAD) != lib) {
		return sl_error_line(ret_error, -ENOENT,
			"%s does not call itself %s: name the file that does (objdump -p shows "
			"SONAME)",
			path, soname);
	}
	*ret = lib;
	return 0;
}

int sl_egl_load(struct sl_egl *e, const struct sl_virgl_options *o, char **ret_error)
{
	void *gles;
	int r;

	if (o->gles_library) {
		r = load(o->gles_library, "libGLESv2.so.2", &gles, ret_error);
		if (r < 0) {
			return r;
		}
	}
	r = load(o->egl_library, "libEGL.so.1", &e->lib, ret_error);
	if (r < 0) {
		return r;
	}
	e->get_proc = (PFNEGLGETPROCADDRESSPROC)dlsym(e->lib, "eglGetProcAddress");
	e->bind_api = (PFNEGLBINDAPIPROC)dlsym(e->lib, "eglBindAPI");
	e->create_context = (PFNEGLCREATECONTEXTPROC)dlsym(e->lib, "eglCreateContext");
	e->destroy_context = (PFNEGLDESTROYCONTEXTPROC)dlsym(e->lib, "eglDestroyContext");
	e->make_current = (PFNEGLMAKECURRENTPROC)dlsym(e->lib, "eglMakeCurrent");
	e->get_current_context = (PFNEGLGETCURRENTCONTEXTPROC)dlsym(e->lib, "eglGetCurrentContext");
	e->query_string = (PFNEGLQUERYSTRINGPROC)dlsym(e->lib, "eglQueryString");
	e->terminate = (PFNEGLTERMINATEPROC)dlsym(e->lib, "eglTerminate");
	if (!e->get_proc || !e->bind_api || !e->create_context || !e->destroy_context ||
		!e->make_current || !e->get_current_context || !e->query_string || !e->terminate) {
		return sl_error_line(
			ret_error, -ENOENT, "libEGL.so.1 lacks basic functions: reinstall libegl1");
	}
	return 0;
}

/* Whether an EGL device is the one behind the render node (or the card node beside it). */
static bool is_device_of(PFNEGLQUERYDEVICESTRINGEXTPROC query, EGLDeviceEXT dev, dev_t node)
{
	static const EGLint names[] = { EGL_DRM_RENDER_NODE_FILE_EXT, EGL_DRM_DEVICE_FILE_EXT };

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		const char *path = query(dev, names[i]);
		struct stat st;

		/* Card n and render node 128 + n are one device. */
		if (path && stat(path, &st) == 0 && major(st.st_rdev) == major(node) &&
			minor(st.st_rdev) % 128 == minor(node) % 128) {
			return true;
		}
	}
	return false;
}

static EGLDeviceEXT find_device(struct sl_egl *e, const struct sl_virgl_options *o)
{
	PFNEGLQUERYDEVICESEXTPROC devices =
		(PFNEGLQUERYDEVICESEXTPROC)e->get_proc("eglQueryDevicesEXT");
	PFNEGLQUERYDEVICESTRINGEXTPROC query =
		(PFNEGLQUERYDEVICESTRINGEXTPROC)e->get_proc("eglQueryDeviceStringEXT");
	EGLDeviceEXT list[MAX_DEVICES], only = EGL_NO_DEVICE_EXT;
	int n = 0, n_hardware = 0;
	struct stat st;

	if (!devices || !query || fstat(o->render_node_fd, &st) < 0 ||
		!devices(MAX_DEVICES, list, &n)) {
		return EGL_NO_DEVICE_EXT;
	}
	for (int i = 0; i < n; i++) {
		if (is_device_of(query, list[i], st.st_rdev)) {
			return list[i];
		}
		if (!has_word(query(list[i], EGL_EXTENSIONS), "EGL_MESA_device_software")) {
			only = list[i];
			n_hardware++;
		}
	}
	/* Older drivers do not tell their node; inside a sandbox its path may not resolve. */
	return n_hardware == 1 ? only : EGL_NO_DEVICE_EXT;
}

static int get_display(struct sl_egl *e, enum sl_egl_platform platform,
	const struct sl_virgl_options *o, char **ret_error)
{
	const char *ext = e->query_string(EGL_NO_DISPLAY, EGL_EXTENSIONS);
	PFNEGLGETPLATFORMDISPLAYEXTPROC get =
		(PFNEGLGETPLATFORMDISPLAYEXTPROC)e->get_proc("eglGetPlatformDisplayEXT");

	if (!ext || !get || !has_word(ext, "EGL_EXT_platform_base")) {
		return sl_error_line(ret_error, -ENODEV,
			"EGL finds no driver: install libegl-mesa0 or configure egl_library");
	}
	if (platform == SL_EGL_SURFACELESS) {
		if (!has_word(ext, "EGL_MESA_platform_surfaceless")) {
			return sl_error_line(ret_error, -ENODEV,
				"EGL has no surfaceless platform: install "
				"libegl-mesa0 or set --render-node");
		}
		e->dpy = get(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
	} else {
		EGLDeviceEXT dev = has_word(ext, "EGL_EXT_platform_device") ? find_device(e, o)
									    : EGL_NO_DEVICE_EXT;

		if (dev == EGL_NO_DEVICE_EXT) {
			return sl_error_line(ret_error, -ENODEV,
				"no EGL device for %s: install its driver's EGL library or "
				"configure "
				"egl_library",
				o->render_node);
		}
		e->dpy = get(EGL_PLATFORM_DEVICE_EXT, dev, NULL);
	}
	if (e->dpy == EGL_NO_DISPLAY) {
		return sl_error_line(ret_error, -ENODEV,
			"EGL gives no display for %s: check the GL driver",
			o->render_node ? o->render_node : "surfaceless rendering");
	}
	return 0;
}

static bool choose_config(struct sl_egl *e)
{
	PFNEGLCHOOSECONFIGPROC choose = (PFNEGLCHOOSECONFIGPROC)dlsym(e->lib, "eglChooseConfig");
	const EGLint attributes[] = {
		EGL_SURFACE_TYPE,
		EGL_DONT_CARE,
		EGL_RENDERABLE_TYPE,
		e->es ? EGL_OPENGL_ES2_BIT : EGL_OPENGL_BIT,
		EGL_NONE,
	};
	EGLint n = 0;

	if (has_word(e->query_string(e->dpy, EGL_EXTENSIONS), "EGL_KHR_no_config_context")) {
		e->config = EGL_NO_CONFIG_KHR;
		return true;
	}
	return choose && choose(e->dpy, attributes, &e->config, 1, &n) && n == 1;
}

int sl_egl_open(struct sl_egl *e, enum sl_egl_platform platform, bool es,
	const struct sl_virgl_options *o, char **ret_error)
{
	PFNEGLINITIALIZEPROC init = (PFNEGLINITIALIZEPROC)dlsym(e->lib, "eglInitialize");
	EGLint major = 0, minor = 0;
	const char *ext;
	int r;

	r = get_display(e, platform, o, ret_error);
	if (r < 0) {
		return r;
	}
	if (!init || !init(e->dpy, &major, &minor)) {
		e->dpy = EGL_NO_DISPLAY;
		return sl_error_line(ret_error, -ENODEV,
			"EGL cannot start its driver for %s: install libgl1-mesa-dri or check the "
			"GL "
			"driver",
			o->render_node ? o->render_node : "surfaceless rendering");
	}
	ext = e->query_string(e->dpy, EGL_EXTENSIONS);
	e->es = es;
	if (!has_word(ext, "EGL_KHR_surfaceless_context") ||
		!e->bind_api(es ? EGL_OPENGL_ES_API : EGL_OPENGL_API) || !choose_config(e)) {
		sl_egl_close(e);
		return sl_error_line(ret_error, -ENODEV,
			"EGL of %s has no %s without a surface: try %s",
			o->render_node ? o->render_node : "the software renderer",
			es ? "OpenGL ES" : "OpenGL", es ? "--host-gl=core" : "--host-gl=es");
	}
	e->robust = (major > 1 || minor >= 5 || has_word(ext, "EGL_EXT_create_context_robustness"));
	return 0;
}

EGLContext sl_egl_context_new(struct sl_egl *e, int major, int minor, EGLContext share)
{
	EGLint attributes[] = {
		EGL_CONTEXT_MAJOR_VERSION_KHR,
		major,
		EGL_CONTEXT_MINOR_VERSION_KHR,
		minor,
		e->robust ? EGL_CONTEXT_OPENGL_ROBUST_ACCESS : EGL_NONE,
		EGL_TRUE,
		EGL_NONE,
	};
	EGLContext c;

	e->bind_api(e->es ? EGL_OPENGL_ES_API : EGL_OPENGL_API); /* per thread */
	c = e->create_context(e->dpy, e->config, share, attributes);
	if (c == EGL_NO_CONTEXT && e->robust) {
		attributes[4] = EGL_NONE;
		c = e->create_context(e->dpy, e->config, share, attributes);
		/* Robust and other contexts cannot share objects: keep to one kind. */
		e->robust = c == EGL_NO_CONTEXT;
	}
	return c;
}

bool sl_egl_make_current(struct sl_egl *e, EGLContext c)
{
	if (!e->make_current(e->dpy, EGL_NO_SURFACE, EGL_NO_SURFACE, c)) {
		return false;
	}
	e->current = c;
	return true;
}

void sl_egl_close(struct sl_egl *e)
{
	if (e->dpy != EGL_NO_DISPLAY) {
		sl_egl_make_current(e, EGL_NO_CONTEXT);
		e->terminate(e->dpy);
		e->dpy = EGL_NO_DISPLAY;
	}
}
