/* SPDX-License-Identifier: MIT */
/*
 * What a zygote is started with: the program, its arguments, its environment. The environment is
 * an allow-list, since a renderer reads dozens of variables and the broker's own may hold anything.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/private.h"
#include "util/cleanup.h"
#include "util/log.h"

#define PROGRAM "sluice-worker"

void sl_command_strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++) {
		free(v[i]);
	}
	free(v);
}

static void strv_freep(char ***v)
{
	sl_command_strv_free(*v);
}

/* Takes @s over, also on failure. */
static int strv_push(char ***v, size_t *n, char *s)
{
	char **grown = s ? realloc(*v, (*n + 2) * sizeof(char *)) : NULL;

	if (!grown) {
		free(s);
		return -ENOMEM;
	}
	grown[(*n)++] = s;
	grown[*n] = NULL;
	*v = grown;
	return 0;
}

static int push_format(char ***v, size_t *n, const char *fmt, ...) _printf_(3, 4);

static int push_format(char ***v, size_t *n, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&s, fmt, ap);
	va_end(ap);
	return strv_push(v, n, r < 0 ? NULL : s);
}

static char *own_directory(void)
{
	char buf[4096];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);
	char *slash;

	if (n < 0) {
		return NULL;
	}
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (slash) {
		*slash = '\0';
	}
	return strdup(buf);
}

static char *program_in(const char *dir, const char *sub)
{
	char *path;

	if (!dir || asprintf(&path, "%s%s/" PROGRAM, dir, sub) < 0) {
		return NULL;
	}
	if (access(path, X_OK) < 0) {
		free(path);
		return NULL;
	}
	return path;
}

int sl_command_find(const struct sl_launch_options *o, char **ret_path, char **ret_error)
{
	_cleanup_free_ char *dir = NULL;
	char *path;

	if (o->worker_path) {
		path = strdup(o->worker_path);
	} else {
		dir = own_directory();
		path = program_in(getenv("SLUICE_LIBEXECDIR"), "");
		path = path ?: program_in(dir, "");
		path = path ?: program_in(dir, "/../worker"); /* the build tree */
		path = path ?: program_in(SLUICE_LIBEXECDIR, "");
	}
	if (path && access(path, X_OK) == 0) {
		*ret_path = path;
		return 0;
	}
	if (asprintf(ret_error,
		    "cannot run %s: %s: install Sluice whole, or name the directory of " PROGRAM
		    " in SLUICE_LIBEXECDIR",
		    path ?: PROGRAM,
		    path ? strerror(errno)
			 : "found neither beside this program "
			   "nor in " SLUICE_LIBEXECDIR) < 0) {
		*ret_error = NULL;
	}
	free(path);
	return -ENOENT;
}

static int push_paths(const struct sl_launch_options *o, char ***v, size_t *n)
{
	const struct {
		const char *name, *value;
	} paths[] = {
		{ "host-gl", o->host_gl },
		{ "render-node", o->render_node },
		{ "egl-library", o->egl_library },
		{ "gles-library", o->gles_library },
	};
	int r = 0;

	for (size_t i = 0; i < SL_ARRAY_LEN(paths) && r == 0; i++) {
		if (paths[i].value) {
			r = push_format(v, n, "--%s=%s", paths[i].name, paths[i].value);
		}
	}
	if (r == 0 && o->render_node) {
		r = push_format(v, n, "--render-node-fd=%d", SL_ZYGOTE_NODE_FD);
	}
	return r;
}

int sl_command_argv(
	const struct sl_launch_options *o, const char *program, uint32_t layers, char ***ret)
{
	_cleanup_(strv_freep) char **v = NULL;
	size_t n = 0;
	int r;

	r = strv_push(&v, &n, strdup(program));
	r = r ?: push_format(&v, &n, "--zygote");
	r = r ?: push_format(&v, &n, "--channel-fd=%d", SL_ZYGOTE_CHANNEL_FD);
	r = r ?: push_format(&v, &n, "--program-fd=%d", SL_ZYGOTE_PROGRAM_FD);
	r = r ?: push_format(&v, &n, "--log-level=%d", (int)sl_log_max_level());
	r = r ?: push_format(&v, &n, "--layers=0x%x", layers);
	r = r ?: push_format(&v, &n, "--llvmpipe-threads=%d", o->llvmpipe_threads);
	r = r ?: push_paths(o, &v, &n);
	if (r == 0 && o->binds && o->binds[0]) {
		r = push_format(&v, &n, "--keep-root"); /* what is bound is there to be opened */
	}
	if (r == 0 && o->null_backend) {
		r = push_format(&v, &n, "--null");
	}
	if (r == 0 && o->no_sandbox) {
		r = push_format(&v, &n, "--no-sandbox");
	}
	if (r == 0 && o->uid_count > 0) {
		r = push_format(&v, &n, "--uids=%u", o->uid_count);
	}
	for (size_t i = 0; r == 0 && o->worker_args && o->worker_args[i]; i++) {
		r = strv_push(&v, &n, strdup(o->worker_args[i]));
	}
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(v);
	return 0;
}

/* What renderers, the loader and sanitizers read; nothing that names a user's files. */
static bool env_allowed(const char *entry)
{
	static const char *const prefixes[] = { "LIBGL_", "MESA_", "GALLIUM_", "LP_", "EGL_",
		"VIRGL_", "VREND_", "AMD_", "INTEL_", "NOUVEAU_", "__EGL_", "__GLX_", "__GL_",
		"DRIRC_", "ASAN_", "UBSAN_", "LSAN_", "SLUICE_", "LD_LIBRARY_PATH=", "LIBVA_",
		"JOURNAL_STREAM=", "LC_", "LANG=", "GLIBC_TUNABLES=" };

	for (size_t i = 0; i < SL_ARRAY_LEN(prefixes); i++) {
		if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0) {
			return true;
		}
	}
	return false;
}

int sl_command_env(char *const *environment, char ***ret)
{
	_cleanup_(strv_freep) char **v = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && environment[i]; i++) {
		if (env_allowed(environment[i])) {
			r = strv_push(&v, &n, strdup(environment[i]));
		}
	}
	/*
	 * The first of two equal names wins in getenv(), so these do not override what was set.
	 * There is no disk to cache shaders on, and looking for it costs system calls.
	 */
	r = r ?: push_format(&v, &n, "MESA_SHADER_CACHE_DISABLE=true");
	r = r ?: push_format(&v, &n, "MESA_GLSL_CACHE_DISABLE=true");
	r = r ?: push_format(&v, &n, "PATH=/usr/bin:/bin");
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(v);
	return 0;
}
