/* SPDX-License-Identifier: MIT */
/*
 * The zygote: it has loaded the renderer, perhaps initialised it, and forks a worker for each
 * SPAWN. It never sees a client's byte. It lives until its broker closes the channel; a spawn that
 * fails is told and forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fds.h"
#include "worker/renderer.h"
#include "worker/zygote.h"

void sl_worker_tell_fault(int channel_fd, uint32_t fault, bool fatal, const char *fmt, ...)
{
	union sl_ctl_message m;
	va_list ap;
	int r;

	sl_ctl_init(&m, SL_CTL_FAULT, 0);
	m.fault.fault = fault;
	m.fault.fatal = fatal;
	va_start(ap, fmt);
	vsnprintf(m.fault.text, sizeof(m.fault.text), fmt, ap);
	va_end(ap);
	r = sl_ctl_send(channel_fd, &m, NULL);
	if (r < 0) {
		sl_err("%s (not told to the broker: %s)", m.fault.text, strerror(-r));
	}
}

static int say_hello(int channel_fd)
{
	union sl_ctl_message m;

	sl_ctl_init(&m, SL_CTL_HELLO, 0);
	m.hello.role = SL_CTL_ROLE_ZYGOTE;
	m.hello.capabilities = SL_CTL_CAP_VTEST | SL_CTL_CAP_RECORD;
	return sl_ctl_send(channel_fd, &m, NULL);
}

/* A renderer with threads cannot be forked and cannot be undone: a fresh image, which makes none.
 */
static int start_over(const struct sl_worker_options *o)
{
	char no_inherit[] = "--no-inherit";
	char *argv[64];
	size_t n = 0;

	if (o->program_fd < 0) {
		return -ENOEXEC;
	}

	while (o->argv[n] && n < SL_ARRAY_LEN(argv) - 3) {
		argv[n] = o->argv[n];
		n++;
	}
	argv[n++] = no_inherit;
	argv[n] = NULL;
	/* What the launcher gave us is all that the new image may have. */
	fcntl(o->channel_fd, F_SETFD, 0);
	syscall(SYS_close_range, SL_MAX(o->channel_fd, o->program_fd) + 1, ~0u, 0);
	syscall(SYS_execveat, o->program_fd, "", argv, environ, AT_EMPTY_PATH);
	return -errno;
}

static int prepare(struct sl_zygote_state *z)
{
	char *error = NULL;
	int r;

	r = sl_renderer_prepare(z->o, &z->backend, &error);
	if (r == -EAGAIN) {
		r = start_over(z->o);
	}
	if (r < 0) {
		sl_worker_tell_fault(z->o->channel_fd, 0, true, "%s", error ? error : strerror(-r));
		free(error);
		return r;
	}
	if (!z->o->no_sandbox) {
		r = sl_filter_compile(
			z->backend ? SL_FILTER_INHERITED : SL_FILTER_OWN_RENDERER, &z->filter);
	}
	if (r < 0) {
		sl_worker_tell_fault(z->o->channel_fd, 0, true,
			"cannot compile the seccomp filter: %s", strerror(-r));
	}
	return r;
}

static void announce(const struct sl_zygote_state *z)
{
	union sl_ctl_message m;

	if (z->backend) {
		sl_renderer_describe(z->backend, z->o->layers, &m);
		sl_ctl_send(z->o->channel_fd, &m, NULL);
	}
}

static int serve_spawn(struct sl_zygote_state *z, uint32_t slot)
{
	union sl_ctl_message m;
	const char *what = "";
	int fds[2], r;

	sl_ctl_init(&m, SL_CTL_SPAWNED, 2);
	m.spawned.slot = slot;
	r = sl_zygote_spawn(z, slot, &fds[0], &fds[1], &m.spawned.pid, &what);
	if (r < 0) {
		sl_worker_tell_fault(z->o->channel_fd, 0, false, "cannot start a worker: %s: %s",
			what, strerror(-r));
		return 0;
	}
	r = sl_ctl_send(z->o->channel_fd, &m, fds);
	sl_close_many(fds, 2);
	return r;
}

/* 0: go on. */
static int serve_one(struct sl_zygote_state *z)
{
	union sl_ctl_message m;
	int r;

	r = sl_ctl_recv(z->o->channel_fd, &m, NULL, NULL);
	if (r == -EAGAIN) {
		return 0;
	}
	if (r < 0) {
		return r;
	}
	switch (m.h.type) {
	case SL_CTL_SPAWN:
		return serve_spawn(z, m.spawn.slot);
	case SL_CTL_SHUTDOWN:
		return -EPIPE;
	default:
		return -EPROTO;
	}
}

int sl_zygote_run(const struct sl_worker_options *o)
{
	struct sl_zygote_state z = { .o = o };
	struct pollfd p = { .fd = o->channel_fd, .events = POLLIN };
	int r;

	if (!o->no_sandbox) {
		prctl(PR_SET_DUMPABLE, 0);
	}
	r = say_hello(o->channel_fd);
	if (r == 0) {
		r = prepare(&z);
	}
	if (r < 0) {
		return EXIT_FAILURE;
	}
	announce(&z);
	while (r == 0) {
		if (poll(&p, 1, -1) < 0 && errno != EINTR) {
			r = -errno;
		} else {
			r = serve_one(&z);
		}
	}
	if (r != -EPIPE) {
		sl_err("zygote: channel to sluiced: %s: ending", strerror(-r));
	}
	sl_filter_fini(&z.filter);
	return r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
