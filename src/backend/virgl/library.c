/* SPDX-License-Identifier: MIT */
/*
 * Starting libvirglrenderer, in every version that Debian ships. What differs between them is told
 * apart at build time (meson.build asks for the functions) and handled here alone.
 *
 * The library keeps one state per process and gives its log no user pointer in old versions, hence
 * the one static instance below.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "backend/virgl/library.h"
#include "util/cleanup.h"
#include "util/fds.h"
#include "util/log.h"

/*
 * A client can make the renderer complain with every command it sends. A burst shows what is wrong;
 * after it, one line a second says how much was left out.
 */
#define LOG_BURST 20u

static struct {
	bool used;
	struct sl_library_config config;
	struct virgl_renderer_callbacks callbacks;
	uint64_t log_since_ns;
	uint32_t log_lines;
} lib;

static bool log_admit(void)
{
	uint64_t now = sl_now_ns();

	if (now - lib.log_since_ns >= SL_NSEC_PER_SEC) {
		if (lib.log_lines > LOG_BURST) {
			sl_debug("virglrenderer: %u more lines suppressed",
				lib.log_lines - LOG_BURST);
		}
		lib.log_since_ns = now;
		lib.log_lines = 0;
	}
	return ++lib.log_lines <= LOG_BURST;
}

#if HAVE_VIRGL_LOG_CALLBACK
static void on_log(enum virgl_log_level_flags level, const char *message, void *user)
{
	if (sl_log_max_level() >= SL_LOG_DEBUG && log_admit()) {
		sl_debug("virglrenderer: %.*s", (int)strcspn(message, "\n"), message);
	}
}

static void set_log(void)
{
	virgl_set_log_callback(on_log, NULL, NULL);
}
#else
static void on_log(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static void on_log(const char *fmt, va_list ap)
{
	char text[512];

	if (sl_log_max_level() >= SL_LOG_DEBUG && log_admit()) {
		vsnprintf(text, sizeof(text), fmt, ap);
		sl_debug("virglrenderer: %.*s", (int)strcspn(text, "\n"), text);
	}
}

static void set_log(void)
{
	virgl_set_debug_callback(on_log);
}
#endif

static void on_fence(void *cookie, uint32_t fence)
{
	lib.config.fence_done(lib.config.user, fence);
}

static virgl_renderer_gl_context create_context(
	void *cookie, int scanout, struct virgl_renderer_gl_ctx_param *p)
{
	struct sl_egl *e = lib.config.egl;

	/* The library means: with the one that is current in this thread. */
	return sl_egl_context_new(e, p->major_ver, p->minor_ver,
		p->shared ? e->get_current_context() : EGL_NO_CONTEXT);
}

static void destroy_context(void *cookie, virgl_renderer_gl_context c)
{
	lib.config.egl->destroy_context(lib.config.egl->dpy, c);
}

static int make_current(void *cookie, int scanout, virgl_renderer_gl_context c)
{
	return sl_egl_make_current(lib.config.egl, c) ? 0 : -1;
}

/* The library closes what it gets, and may ask again. */
static int get_drm_fd(void *cookie)
{
	return fcntl(lib.config.render_node_fd, F_DUPFD_CLOEXEC, 3);
}

/* VIRGL_RENDERER_USE_EXTERNAL_BLOB; 0.10.4 knows it, but its header shows unstable API only. */
#define SL_USE_EXTERNAL_BLOB (1 << 5)

int sl_library_init(const struct sl_library_config *c)
{
	int flags = 0;

	if (lib.used) {
		return -EBUSY;
	}
	lib.config = *c;
	lib.callbacks = (struct virgl_renderer_callbacks){ .version = 1, .write_fence = on_fence };
	if (c->egl) {
		lib.callbacks.create_gl_context = create_context;
		lib.callbacks.destroy_gl_context = destroy_context;
		lib.callbacks.make_current = make_current;
	} else {
		lib.callbacks.version = 2;
		lib.callbacks.get_drm_fd = get_drm_fd;
		flags |= VIRGL_RENDERER_USE_EGL;
		flags |= c->es ? VIRGL_RENDERER_USE_GLES : 0;
	}
	flags |= c->thread_sync ? VIRGL_RENDERER_THREAD_SYNC : 0;
	/*
	 * Buffers that cannot become fds are of no use to a client in another process. Without the
	 * flag the caps promise persistent mappings (ARB_buffer_storage), and clients ask for them.
	 */
	flags |= SL_USE_EXTERNAL_BLOB;
	set_log();
	if (virgl_renderer_init(&lib, flags, &lib.callbacks) != 0) {
		return -ENODEV;
	}
	lib.used = true;
	return 0;
}

void sl_library_cleanup(void)
{
	if (lib.used) {
		virgl_renderer_cleanup(&lib);
		lib.used = false;
	}
}

int sl_library_poll_fd(void)
{
	return virgl_renderer_get_poll_fd();
}

uint32_t sl_library_last_format(void)
{
	/* 0.10.4 counts to 321 but describes up to R8G8_SRGB; naming the rest crashes it. */
	return HAVE_VIRGL_LOG_CALLBACK ? UINT32_MAX : 313;
}

const char *sl_virgl_library_version(void)
{
	return VIRGL_VERSION;
}
