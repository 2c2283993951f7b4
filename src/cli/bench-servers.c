/* SPDX-License-Identifier: MIT */
/* The servers of `sluice bench vtest`, the X server for glmark2, and the clients' containers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "cli/bench-servers.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "util/fds.h"

#define CLIENT_SOCKET "/tmp/.virgl_test"
#define START_NS (30 * SL_NSEC_PER_SEC)
#define TURN_NS (20 * SL_NSEC_PER_MSEC)

/* The software renderer on both sides of the comparison, whatever the machine has. */
#define RENDER_VARIABLES                                                                           \
	{ "LIBGL_ALWAYS_SOFTWARE", "1" }, { "GALLIUM_DRIVER", "llvmpipe" }, { "DISPLAY", NULL },   \
		{ "WAYLAND_DISPLAY", NULL }, { "EGL_PLATFORM", NULL },                             \
	{                                                                                          \
		"VTEST_SOCKET_NAME", NULL                                                          \
	}

bool sl_bench_on_path(const char *name)
{
	_cleanup_free_ char *path = strdup(getenv("PATH") ?: "/usr/bin:/bin");
	char *save = NULL, candidate[PATH_MAX];

	for (char *d = path ? strtok_r(path, ":", &save) : NULL; d;
		d = strtok_r(NULL, ":", &save)) {
		snprintf(candidate, sizeof(candidate), "%s/%s", d, name);
		if (access(candidate, X_OK) == 0) {
			return true;
		}
	}
	return false;
}

bool sl_bench_find_own(const char *name, const char *in_build_tree, char ret[PATH_MAX])
{
	const char *env = getenv("SLUICE_LIBEXECDIR");
	char self[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *dirs[4] = { env && *env ? env : NULL, NULL, SLUICE_BINDIR, SLUICE_LIBEXECDIR };

	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		dirs[1] = self;
		/* The build tree first: an installed copy would be another version. */
		snprintf(ret, PATH_MAX, "%s/%s", self, in_build_tree);
		if (!dirs[0] && access(ret, X_OK) == 0) {
			return true;
		}
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(dirs); i++) {
		if (dirs[i] && snprintf(ret, PATH_MAX, "%s/%s", dirs[i], name) < PATH_MAX &&
			access(ret, X_OK) == 0) {
			return true;
		}
	}
	return false;
}

bool sl_bench_servers_has(const struct sl_bench_servers *s, enum sl_bench_column column)
{
	return column == SL_BENCH_NATIVE || s->process[column].pid > 0;
}

static const char *start_peer(struct sl_bench_servers *s, enum sl_bench_column column,
	const struct sl_bench_variable *variables)
{
	char path[sizeof(s->socket[column])], option[160];
	const char *argv[] = { "virgl_test_server", "--use-egl-surfaceless", option, NULL };
	uint64_t deadline = sl_now_ns() + START_NS;

	if (!sl_bench_on_path(argv[0])) {
		return "virgl_test_server: not installed: apt install virgl-server";
	}
	snprintf(path, sizeof(path), "%s/%s", s->directory, sl_bench_column_name(column));
	memcpy(s->socket[column], path, sizeof(path));
	snprintf(option, sizeof(option), "--socket-path=%s", path);
	if (sl_bench_spawn(&s->process[column], argv, variables, s->verbose) < 0) {
		return "virgl_test_server: cannot be started";
	}
	while (access(s->socket[column], F_OK) < 0) {
		if (sl_bench_interrupted() || sl_bench_ended(&s->process[column]) ||
			sl_now_ns() >= deadline) {
			sl_bench_stop(&s->process[column]);
			return "virgl_test_server: opened no socket: --verbose shows what it says";
		}
		sl_bench_sleep_until(sl_now_ns() + TURN_NS);
	}
	return NULL;
}

/* Our renderer's tunables, see src/backend/virgl/prepare.c, as an environment. */
static const char *start_peer_tuned(struct sl_bench_servers *s)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char threads[16];
	const struct sl_bench_variable variables[] = {
		RENDER_VARIABLES,
		{ "LP_NUM_THREADS", threads },
		{ "MALLOC_TRIM_THRESHOLD_", "16777216" },
		{ "MALLOC_TOP_PAD_", "1048576" },
		{ "MALLOC_MMAP_THRESHOLD_", "8388608" },
		{ NULL },
	};
	long few = SL_MIN(cpus, 4L), n = SL_MAX(cpus / 2, few);

	snprintf(threads, sizeof(threads), "%ld", cpus < 2 ? 0 : SL_MIN(n, 8L));
	return start_peer(s, SL_BENCH_PEER_TUNED, variables);
}

/* Does a broker answer there, with a worker ready? */
static bool is_ready(const char *directory)
{
	_cleanup_client_ struct sl_client *client = NULL;
	_cleanup_free_ char *error = NULL;

	return sl_client_connect(directory, &client, &error) == 0 &&
	       json_integer_value(json_object_get(sl_client_hello(client), "warm")) > 0;
}

/* A domain for the clients, as a container has one. Its socket into @ret. */
static bool add_domain(const char *directory, char *ret, size_t size)
{
	_cleanup_client_ struct sl_client *client = NULL;
	_cleanup_free_ char *error = NULL;
	_cleanup_json_ json_t *domain = NULL;
	const char *path = NULL;

	if (sl_client_connect(directory, &client, &error) == 0 &&
		sl_client_call(client, "domain.add", json_pack("{ss}", "name", "bench"), -1,
			&domain, &error) == 0) {
		path = json_string_value(json_object_get(domain, "socket"));
	}
	return path && (size_t)snprintf(ret, size, "%s", path) < size;
}

static const char *start_sluice(struct sl_bench_servers *s)
{
	static const struct sl_bench_variable variables[] = { RENDER_VARIABLES, { NULL } };
	char program[PATH_MAX], directory[80], option[96];
	const char *argv[] = { program, option, "--log-level=warning", NULL };
	struct sl_bench_process *p = &s->process[SL_BENCH_SLUICE];
	uint64_t deadline = sl_now_ns() + START_NS;

	if (!sl_bench_find_own("sluiced", "../broker/sluiced", program)) {
		return "sluiced: not found: install it, or set SLUICE_LIBEXECDIR";
	}
	snprintf(directory, sizeof(directory), "%s/sluice", s->directory);
	snprintf(option, sizeof(option), "--directory=%s", directory);
	if (sl_bench_spawn(p, argv, variables, s->verbose) < 0) {
		return "sluiced: cannot be started";
	}
	while (!is_ready(directory)) {
		if (sl_bench_interrupted() || sl_bench_ended(p) || sl_now_ns() >= deadline) {
			sl_bench_stop(p);
			return "sluiced: no worker became ready: --verbose shows what it says";
		}
		sl_bench_sleep_until(sl_now_ns() + TURN_NS);
	}
	if (!add_domain(directory, s->socket[SL_BENCH_SLUICE], sizeof(s->socket[0]))) {
		sl_bench_stop(p);
		return "sluiced: gives no socket: --verbose shows what it says";
	}
	return NULL;
}

/* glmark2 wants a display even for what it draws off screen. */
static void start_xvfb(struct sl_bench_servers *s)
{
	static const char *const argv[] = { "Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24",
		"-nolisten", "tcp", NULL };
	const char *line;

	if (!sl_bench_on_path("Xvfb") || sl_bench_spawn(&s->xvfb, argv, NULL, s->verbose) < 0) {
		return;
	}
	line = sl_bench_read_line(&s->xvfb, sl_now_ns() + START_NS);
	if (!line) {
		sl_bench_stop(&s->xvfb);
		return;
	}
	snprintf(s->display, sizeof(s->display), ":%s", line);
}

int sl_bench_servers_start(struct sl_bench_servers *s, const char *absent[SL_BENCH_N_COLUMNS])
{
	static const struct sl_bench_variable plain[] = { RENDER_VARIABLES, { NULL } };
	bool verbose = s->verbose;

	*s = (struct sl_bench_servers){ .directory = "/tmp/sluice-bench-XXXXXX",
		.verbose = verbose };
	s->xvfb.in = s->xvfb.out = -1;
	for (size_t c = 0; c < SL_BENCH_N_COLUMNS; c++) {
		s->process[c].in = s->process[c].out = -1;
	}
	if (!mkdtemp(s->directory)) {
		int r = -errno;
		sl_cli_error("bench: /tmp: %s: a private directory is needed there", strerror(-r));
		return r;
	}
	start_xvfb(s);
	absent[SL_BENCH_PEER] = start_peer(s, SL_BENCH_PEER, plain);
	absent[SL_BENCH_PEER_TUNED] = start_peer_tuned(s);
	absent[SL_BENCH_SLUICE] = start_sluice(s);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	remove(path);
	return 0;
}

void sl_bench_servers_stop(struct sl_bench_servers *s)
{
	for (size_t c = 0; c < SL_BENCH_N_COLUMNS; c++) {
		sl_bench_stop(&s->process[c]);
	}
	sl_bench_stop(&s->xvfb);
	nftw(s->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void add(struct sl_bench_argv *a, const char *arg)
{
	/* One place stays free for the NULL at the end. */
	if (a->n + 1 < SL_BENCH_MAX_ARGS) {
		a->argv[a->n++] = arg;
	}
}

static void add_all(struct sl_bench_argv *a, const char *const *args)
{
	for (; *args; args++) {
		add(a, *args);
	}
}

void sl_bench_container(const struct sl_bench_servers *s, enum sl_bench_column column,
	const char *const *command, struct sl_bench_argv *ret)
{
	static const char *const common[] = { "bwrap", "--die-with-parent", "--unshare-ipc",
		"--dev-bind", "/", "/", "--tmpfs", "/tmp", "--bind-try", "/tmp/.X11-unix",
		"/tmp/.X11-unix", "--setenv", "LIBGL_ALWAYS_SOFTWARE", "1", "--setenv",
		"vblank_mode", "0", "--unsetenv", "WAYLAND_DISPLAY", "--unsetenv", "EGL_PLATFORM",
		"--unsetenv", "MESA_LOADER_DRIVER_OVERRIDE", NULL };
	static const char *const virpipe[] = { "--setenv", "GALLIUM_DRIVER", "virpipe", "--setenv",
		"VTEST_SOCKET_NAME", CLIENT_SOCKET, NULL };
	static const char *const native[] = { "--setenv", "GALLIUM_DRIVER", "llvmpipe", NULL };

	*ret = (struct sl_bench_argv){};
	add_all(ret, common);
	if (column == SL_BENCH_NATIVE) {
		add_all(ret, native);
	} else {
		add_all(ret, virpipe);
		add_all(ret,
			(const char *const[]){ "--bind", s->socket[column], CLIENT_SOCKET, NULL });
	}
	if (*s->display) {
		add_all(ret, (const char *const[]){ "--setenv", "DISPLAY", s->display, NULL });
	}
	if (**command == '/') {
		/* Our own client, which may lie in the folder that the container replaces. */
		add_all(ret, (const char *const[]){ "--ro-bind", *command, *command, NULL });
	}
	add(ret, "--");
	add_all(ret, command);
}
