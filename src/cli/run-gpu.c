/* SPDX-License-Identifier: MIT */
/*
 * The container's way to a GPU: a domain that lives as long as our control connection, so that the
 * broker removes it however we end, and whose socket is shown to the container as a mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "util/fds.h"

/* Where Mesa before 23.1 looks, whatever it is told. */
#define CLIENT_SOCKET "/tmp/.virgl_test"
/* Attempts to find a name that no other run has. */
#define NAME_TRIES 16u
/* A worker whose client has gone needs a moment to see it, and has told everything only then. */
#define SETTLE_NS SL_NSEC_PER_SEC
#define SETTLE_POLL_NS (5 * SL_NSEC_PER_MSEC)

/* The program's name and a number, as far as a domain's name may have its characters. */
static char *make_name(const char *program, unsigned int number)
{
	const char *slash = strrchr(program, '/');
	char *name, *p;

	if (asprintf(&name, "%.40s-%u", slash ? slash + 1 : program, number) < 0) {
		return NULL;
	}
	for (p = name; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9');

		if (!plain && (p == name || !strchr("._-", *p))) {
			*p = p == name ? 'x' : '_';
		}
	}
	return name;
}

static int add_domain(
	struct sl_run_gpu *g, const struct sl_run_options *o, int record_fd, char **ret_error)
{
	_cleanup_json_ json_t *result = NULL;
	json_t *params = json_pack("{s:s, s:I, s:I, s:b, s:b}", "name", g->name, "uid",
		(json_int_t)geteuid(), "gid", (json_int_t)getegid(), "ephemeral", 1, "record",
		record_fd >= 0);
	const char *socket;
	int r;

	if (o->limits) {
		json_object_set(params, "limits", o->limits);
	}
	if (o->host_gl) {
		json_object_set_new(params, "host_gl", json_string(o->host_gl));
	}
	r = sl_client_call(g->client, "domain.add", params, record_fd, &result, ret_error);
	if (r == 0) {
		socket = json_string_value(json_object_get(result, "socket"));
		g->socket = socket ? strdup(socket) : NULL;
		g->limits = json_incref(json_object_get(result, "limits"));
		r = g->socket ? 0 : -EPROTO;
	}
	return r;
}

static int open_domain(struct sl_run_gpu *g, const struct sl_run_options *o, int record_fd)
{
	_cleanup_free_ char *error = NULL;
	int r = -ENOMEM;

	for (unsigned int i = 0; i < NAME_TRIES; i++) {
		free(error);
		error = NULL;
		free(g->name);
		g->name = o->name ? strdup(o->name)
				  : make_name(o->argv[0], (unsigned int)getpid() + i * 100000);
		r = g->name ? add_domain(g, o, record_fd, &error) : -ENOMEM;
		if (o->name || (r != SL_CONTROL_EXISTS && r != SL_CONTROL_BUSY)) {
			break;
		}
	}
	if (r != 0) {
		sl_cli_error("%s", error ? error : "domain: the broker's answer makes no sense");
		return SL_EXIT_RUN_FAILED;
	}
	return SL_EXIT_OK;
}

int sl_run_gpu_open(struct sl_run_gpu *g, const struct sl_run_options *o)
{
	_cleanup_close_ int record_fd = -1;
	int r;

	*g = (struct sl_run_gpu){ .broker_log_fd = -1 };
	if (o->gpu != SL_RUN_GL) {
		return SL_EXIT_OK;
	}
	if (o->record) {
		record_fd = open(o->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (record_fd < 0) {
			sl_cli_error("%s: %m: give -o a file that can be written", o->record);
			return SL_EXIT_RUN_FAILED;
		}
	}
	r = o->null ? sl_run_broker_null(o->verbose, &g->client, &g->broker_log_fd)
		    : sl_run_broker(o->directory, o->verbose, &g->client, &g->broker_log_fd);
	if (r != SL_EXIT_OK) {
		return r;
	}
	return open_domain(g, o, record_fd);
}

void sl_run_gpu_close(struct sl_run_gpu *g)
{
	g->client = sl_client_free(g->client);
	json_decref(g->session);
	json_decref(g->limits);
	free(g->name);
	free(g->socket);
	sl_close(g->broker_log_fd);
	*g = (struct sl_run_gpu){ .broker_log_fd = -1 };
}

void sl_run_gpu_add(
	const struct sl_run_gpu *g, const struct sl_run_options *o, struct sl_container *c)
{
	if (o->gpu == SL_RUN_NONE) {
		return;
	}
	sl_container_setenv(c, "LIBGL_ALWAYS_SOFTWARE", "1");
	sl_container_setenv(c, "GALLIUM_DRIVER", o->gpu == SL_RUN_GL ? "virpipe" : "llvmpipe");
	/* Without a window system Mesa would look for one and give up. */
	if (o->display == SL_DISPLAY_NONE) {
		sl_container_setenv(c, "EGL_PLATFORM", "surfaceless");
	}
	if (o->gpu == SL_RUN_GL) {
		sl_container_mount(c, SL_MOUNT_BIND, g->socket, CLIENT_SOCKET);
		sl_container_setenv(c, "VTEST_SOCKET_NAME", CLIENT_SOCKET);
	}
}

void sl_run_gpu_lost(struct sl_run_gpu *g)
{
	char line[512];

	if (g->lost) {
		return;
	}
	g->lost = true;
	sl_run_broker_last_line(g->broker_log_fd, line, sizeof(line));
	sl_cli_warn("broker: it has ended, and the program's session with it%s%s",
		*line ? ": " : "", line);
}

/* A worker tells what renders once it is ready, which may be after the session began. */
bool sl_run_gpu_known(const struct sl_run_gpu *g)
{
	return json_is_string(json_object_get(g->session, "renderer"));
}

void sl_run_gpu_sample(struct sl_run_gpu *g)
{
	_cleanup_json_ json_t *result = NULL;
	_cleanup_free_ char *error = NULL;
	json_t *first;
	int r;

	if (!g->client || g->lost || sl_run_gpu_known(g)) {
		return;
	}
	r = sl_client_call(g->client, "session.list", json_pack("{s:s}", "domain", g->name), -1,
		&result, &error);
	if (r < 0) {
		sl_run_gpu_lost(g);
		return;
	}
	first = json_array_get(json_object_get(result, "sessions"), 0);
	if (first) {
		json_decref(g->session);
		g->session = json_incref(first);
	}
}

static json_t *call_usage(struct sl_run_gpu *g)
{
	_cleanup_free_ char *error = NULL;
	json_t *usage = NULL;
	int r;

	if (!g->client || g->lost) {
		return NULL;
	}
	r = sl_client_call(
		g->client, "domain.usage", json_pack("{s:s}", "name", g->name), -1, &usage, &error);
	if (r < 0) {
		sl_run_gpu_lost(g);
	} else if (r > 0) {
		sl_cli_warn("%s", error ? error : "domain.usage: refused");
	}
	return usage;
}

json_t *sl_run_gpu_usage(struct sl_run_gpu *g)
{
	uint64_t deadline_ns = sl_now_ns() + SETTLE_NS;
	json_t *usage = call_usage(g);

	while (json_integer_value(json_object_get(usage, "live")) > 0 &&
		sl_now_ns() < deadline_ns) {
		nanosleep(&(struct timespec){ .tv_nsec = SETTLE_POLL_NS }, NULL);
		json_decref(usage);
		usage = call_usage(g);
	}
	return usage;
}
