/* SPDX-License-Identifier: MIT */
/*
 * A vtest server without broker or sandbox, for tests and measurements of the front end alone:
 * listens on a path, forks for every client, runs the front end in a plain poll loop. It has no
 * place in an installation: it identifies nobody and contains nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <fcntl.h>

#include "backend/null/null.h"
#include "config.h"
#include "frontend/vtest/vtest.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"
#include "util/log.h"
#ifdef WITH_VIRGL
#include "backend/virgl/virgl.h"
#endif

struct options {
	const char *path, *backend, *record;
	struct sl_limits limits;
	bool warm; /* make the back end before fork(): without threads, which a fork would lose */
	int threads;
};

/* The path appears when it can be connected to, not before. */
static int listen_on(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s.new", path);

	if (fd < 0 || n < 0 || (size_t)n >= sizeof(a.sun_path)) {
		return -EINVAL;
	}
	unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0 ||
		rename(a.sun_path, path) < 0) {
		sl_close(fd);
		return -errno;
	}
	return fd;
}

static int make_backend(const struct options *o, struct sl_backend **ret)
{
	if (strcmp(o->backend, "null") == 0 || strcmp(o->backend, "null-async") == 0) {
		struct sl_null_options n = { .async = strcmp(o->backend, "null-async") == 0 };

		return sl_null_new(&n, ret);
	}
#ifdef WITH_VIRGL
	if (strcmp(o->backend, "virgl") == 0) {
		struct sl_virgl_options v = { .render_node_fd = -1,
			.llvmpipe_threads = o->threads };
		_cleanup_free_ char *error = NULL;
		int r = sl_virgl_preload(&v, &error);

		if (r == 0) {
			r = sl_virgl_new(&v, ret, &error);
		}
		if (r < 0) {
			sl_err("virgl: %s", error ? error : strerror(-r));
		}
		return r;
	}
#endif
	sl_err("no such back end: %s", o->backend);
	return -EINVAL;
}

static int timeout_ms(uint64_t now, uint64_t at)
{
	if (at == SL_NEVER_NS) {
		return -1;
	}
	return at <= now ? 0 : (int)SL_MIN((at - now) / SL_NSEC_PER_MSEC + 1, 60000ull);
}

/* The loop of a worker, with nothing else in it. */
static int loop(struct sl_session *s, struct sl_vtest *v, int fd)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = fd }, { .fd = sl_session_poll_fd(s) } };
		uint64_t next, at;
		int r = sl_vtest_run(v);

		if (r != SL_VTEST_OPEN) {
			return r;
		}
		next = sl_session_poll(s);
		p[0].events = sl_vtest_events(v);
		p[1].events = POLLIN;
		/* Nothing is wanted of the client while it waits: do not spin on its POLLHUP. */
		p[0].fd = p[0].events ? fd : -1;
		at = sl_vtest_deadline_ns(v);
		if (next != SL_NEVER_NS) {
			at = SL_MIN(at, sl_now_ns() + next);
		}
		if (poll(p, 2, timeout_ms(at == SL_NEVER_NS ? 0 : sl_now_ns(), at)) < 0 &&
			errno != EINTR) {
			return -errno;
		}
		if (p[1].revents) {
			sl_session_poll(s);
		}
	}
}

static void log_end(struct sl_session *s, int r)
{
	struct sl_session_stats st;

	sl_session_stats(s, &st);
	sl_info("session ended: %s; %llu submits, %llu messages, %llu faults (%s), peak %llu MiB",
		SL_VTEST_IS_FAULT(r) ? sl_fault_str(SL_VTEST_FAULT(r))
		: r < 0              ? strerror(-r)
				     : "client hung up",
		(unsigned long long)st.submits, (unsigned long long)st.commands,
		(unsigned long long)st.faults, sl_fault_str((int)st.last_fault),
		(unsigned long long)(st.mem_peak_bytes >> 20));
}

static int serve(const struct options *o, struct sl_backend *b, int fd)
{
	_cleanup_close_ int record = -1;
	struct sl_transport *t = NULL;
	struct sl_session *s = NULL;
	struct sl_vtest *v = NULL;
	int r = b ? 0 : make_backend(o, &b);

	if (r == 0) {
		r = sl_session_new((uint64_t)getpid(), &o->limits, b, &s);
	}
	if (r == 0) {
		r = sl_transport_socket_new(fd, &t);
	}
	if (r == 0) {
		r = sl_vtest_new(s, t, &v);
	}
	if (r == 0 && o->record) {
		record = open(o->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		r = record < 0 ? -errno : sl_vtest_record(v, record);
	}
	if (r < 0) {
		sl_err("session: %s", strerror(-r));
		return 1;
	}
	r = loop(s, v, fd);
	log_end(s, r);
	sl_vtest_free(v);
	sl_session_free(s);
	return 0;
}

/* Reap session processes and say which died of a signal: tests look for that line. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFSIGNALED(status)) {
			sl_err("session process %d died of signal %d", (int)pid, WTERMSIG(status));
		}
	}
}

static void on_child(int sig)
{
	/* Only to interrupt accept(). */
}

static int usage(void)
{
	fputs("usage: vtest-serve [--backend=null|null-async|virgl] [--record=FILE] [--mem=BYTES]\n"
	      "                   [--message-ms=N] [--threads=N] [--warm] [--once] SOCKET\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "backend", required_argument, NULL, 'b' },
		{ "record", required_argument, NULL, 'r' },
		{ "mem", required_argument, NULL, 'm' },
		{ "message-ms", required_argument, NULL, 't' },
		{ "threads", required_argument, NULL, 'j' },
		{ "warm", no_argument, NULL, 'w' },
		{ "once", no_argument, NULL, '1' },
		{},
	};
	struct options o = { .backend = "null", .limits = SL_LIMITS_DEFAULT, .threads = -1 };
	struct sl_backend *b = NULL;
	bool once = false;
	int listener, c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'b':
			o.backend = optarg;
			break;
		case 'r':
			o.record = optarg;
			break;
		case 'm':
			o.limits.mem_bytes = strtoull(optarg, NULL, 0);
			break;
		case 't':
			o.limits.message_ms = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'j':
			o.threads = atoi(optarg);
			break;
		case 'w':
			o.warm = true;
			o.threads = 0;
			break;
		case '1':
			once = true;
			break;
		default:
			return usage();
		}
	}
	if (optind + 1 != argc) {
		return usage();
	}
	sl_log_init("vtest-serve", SL_LOG_INFO);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = on_child }, NULL);
	listener = listen_on(argv[optind]);
	if (listener < 0) {
		sl_err("%s: %s", argv[optind], strerror(-listener));
		return 1;
	}
	if (o.warm && make_backend(&o, &b) < 0) {
		return 1;
	}
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		reap();
		if (fd < 0) {
			continue;
		}
		if (once || fork() == 0) {
			sl_close(listener);
			return serve(&o, b, fd);
		}
		sl_close(fd);
	}
}
