/* SPDX-License-Identifier: MIT */
/*
 * Preparing a process to render: the environment that Mesa reads when it is loaded, the allocator,
 * and the libraries themselves, mapped and relocated early so that forked copies share the result.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/virgl/egl.h"
#include "backend/virgl/prepare.h"
#include "util/cleanup.h"

/*
 * llvmpipe allocates scenes and maps of some 100 KiB for every flush. glibc by default gives such
 * memory back to the kernel at once and faults it in again: ten times slower on scenes with many
 * draws. Up to this much free memory at the top of the heap is kept instead, and allocations up to
 * the mmap threshold come from the heap.
 */
#define KEEP_FREE_BYTES (16 << 20)
#define GROW_BYTES (1 << 20)
#define MMAP_FROM_BYTES (8 << 20)

/*
 * Each session has its own rasterizer threads: as many as processors while these are few, half of
 * them when they are many.
 */
#define FEW_PROCESSORS 4
#define MAX_THREADS 8
#define MAX_KNOWN_THREADS 64

/* The processors that this process may use, in *ret; at least their number is known. */
static int processors(cpu_set_t *ret)
{
	CPU_ZERO(ret);
	if (sched_getaffinity(0, sizeof(*ret), ret) < 0) {
		return 1; /* more than this type can name */
	}
	return CPU_COUNT(ret);
}

int sl_virgl_threads(const struct sl_virgl_options *o)
{
	cpu_set_t set;
	int cpus = processors(&set), few = SL_MIN(cpus, FEW_PROCESSORS);
	int threads = SL_MAX(cpus / 2, few);

	if (o->llvmpipe_threads >= 0) {
		return o->llvmpipe_threads;
	}
	/* One thread would only pass work around. */
	return cpus < 2 ? 0 : SL_MIN(threads, MAX_THREADS);
}

bool sl_virgl_caches_shaders(const struct sl_virgl_options *o)
{
	return o->shader_cache && o->render_node_fd < 0 && sl_virgl_threads(o) > 0;
}

static void set_shader_cache(const struct sl_virgl_options *o)
{
	bool on = sl_virgl_caches_shaders(o);

	/* Off, unless there is one of our own: it is a directory that all of a user's sessions
	 * would share. */
	setenv("MESA_SHADER_CACHE_DISABLE", on ? "false" : "true", 1);
	setenv("MESA_GLSL_CACHE_DISABLE", on ? "false" : "true", 1); /* before Mesa 21.1 */
	if (on) {
		setenv("MESA_SHADER_CACHE_DIR", o->shader_cache, 1);
		/* A file for each shader; newer versions would rather have a database. */
		setenv("MESA_DISK_CACHE_MULTI_FILE", "true", 1);
		setenv("MESA_SHADER_CACHE_MAX_SIZE", "1G", 1); /* bounded by who keeps it */
		unsetenv("MESA_DISK_CACHE_SINGLE_FILE");
		unsetenv("MESA_DISK_CACHE_DATABASE");
	}
}

int sl_virgl_prepare(const struct sl_virgl_options *o)
{
	int threads = sl_virgl_threads(o);
	char text[16];

	set_shader_cache(o);
	snprintf(text, sizeof(text), "%d", threads);
	setenv("LP_NUM_THREADS", text, 1);
	if (o->render_node_fd < 0) {
		/* Without a node nothing may look for a device. */
		setenv("LIBGL_ALWAYS_SOFTWARE", "1", 1);
	}
	mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
	mallopt(M_TOP_PAD, GROW_BYTES);
	mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
	return threads;
}

/* Mesa's drivers lie in dri/ beside its EGL library, which libglvnd loads by this name. */
static void preload_mesa(void)
{
	void *mesa = dlopen("libEGL_mesa.so.0", RTLD_NOW);
	char path[4096];
	struct link_map *map;
	const char *slash;

	if (!mesa || dlinfo(mesa, RTLD_DI_LINKMAP, &map) < 0) {
		return;
	}
	slash = strrchr(map->l_name, '/');
	if (!slash) {
		return;
	}
	/* One file under many names: whichever the display asks for is this one. */
	snprintf(path, sizeof(path), "%.*s/dri/swrast_dri.so", (int)(slash - map->l_name),
		map->l_name);
	dlopen(path, RTLD_NOW);
}

int sl_virgl_preload(const struct sl_virgl_options *o, char **ret_error)
{
	struct sl_egl e = {};
	int r;

	sl_virgl_prepare(o);
	r = sl_egl_load(&e, o, ret_error);
	if (r < 0) {
		return r;
	}
	/* What cannot be found here is found, or reported, when the display is opened. */
	if (!o->egl_library) {
		preload_mesa();
	}
	dlopen("libGLESv2.so.2", RTLD_NOW);
	/* As libepoxy looks for it, and check_gl(). */
	if (o->host_gl != SL_HOST_GL_ES && !dlopen("libOpenGL.so.0", RTLD_NOW)) {
		dlopen("libGL.so.1", RTLD_NOW);
	}
	return 0;
}

int sl_virgl_count_threads(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	if (!d) {
		return -1;
	}
	while ((e = readdir(d))) {
		n += e->d_name[0] != '.';
	}
	return n;
}

/* Those of Mesa's shader cache are to give way to others, from their birth on. */
static bool gives_way(pid_t tid)
{
	return sched_getscheduler(tid) == SCHED_BATCH;
}

/*
 * The threads of this process but the first, in the order of their birth, into tids[max]; without
 * those of the shader cache.
 */
static int other_threads(pid_t *tids, int max)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/task");
	cpu_set_t set;
	struct dirent *e;
	int n = 0;

	/* Without /proc this is the first process of its pid namespace, and they follow it. */
	for (pid_t tid = 2; !d && tid < max + 2; tid++) {
		if (sched_getaffinity(tid, sizeof(set), &set) == 0 && !gives_way(tid)) {
			tids[n++] = tid;
		}
	}
	while (d && n < max && (e = readdir(d))) {
		pid_t tid = atoi(e->d_name);

		if (tid > 0 && tid != getpid() && !gives_way(tid)) {
			tids[n++] = tid;
		}
	}
	return n;
}

/* The k-th of n parts of a set of @count processors. */
static void part_of(const cpu_set_t *whole, int count, int k, int n, cpu_set_t *ret)
{
	int seen = 0;

	CPU_ZERO(ret);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, whole)) {
			continue;
		}
		if (seen >= k * count / n && seen < (k + 1) * count / n) {
			CPU_SET(cpu, ret);
		}
		seen++;
	}
}

void sl_virgl_spread_threads(int n)
{
	cpu_set_t all, part;
	pid_t tids[MAX_KNOWN_THREADS];
	int count = processors(&all), n_tids = other_threads(tids, SL_ARRAY_LEN(tids));

	if (n < 2 || n > count || n > n_tids) {
		return;
	}
	for (int k = 0; k < n_tids; k++) {
		part_of(&all, count, k % n, n, &part);
		sched_setaffinity(tids[k], sizeof(part), &part);
	}
}

void sl_virgl_rehearse(const struct sl_virgl_options *o)
{
	_cleanup_free_ char *error = NULL;
	struct sl_egl e = {};

	if (sl_egl_load(&e, o, &error) == 0 &&
		sl_egl_open(&e, SL_EGL_SURFACELESS, o->host_gl == SL_HOST_GL_ES, o, &error) == 0) {
		sl_egl_close(&e);
	}
}

int sl_host_gl_parse(const char *s, enum sl_host_gl *ret)
{
	for (int v = SL_HOST_GL_ON; v <= SL_HOST_GL_ES; v++) {
		if (strcmp(s, sl_host_gl_str(v)) == 0) {
			*ret = v;
			return 0;
		}
	}
	return -EINVAL;
}

const char *sl_host_gl_str(enum sl_host_gl v)
{
	static const char *const names[] = { "on", "core", "es" };

	return v >= SL_HOST_GL_ON && v <= SL_HOST_GL_ES ? names[v] : "?";
}
