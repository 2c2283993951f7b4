/* SPDX-License-Identifier: MIT */
/*
 * A worker from its fork to its exit. It says HELLO, gives up what it can give up, makes a
 * renderer if it has inherited none, closes the door behind it (seccomp), says READY and waits:
 * the first byte of a client is read only behind that door. One ATTACH, one session, the end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/fds.h"
#include "worker/confine.h"
#include "worker/inherit.h"
#include "worker/renderer.h"
#include "worker/sigbus.h"
#include "worker/worker.h"

static void quit(const struct sl_worker *w, const char *what, int error) _noreturn_;

static void quit(const struct sl_worker *w, const char *what, int error)
{
	sl_err("worker: %s: %s: ending", what, strerror(-error));
	sl_worker_tell_fault(w->channel_fd, 0, true, "%s: %s", what, strerror(-error));
	_exit(SL_WORKER_HOST_FAILED);
}

static void set_signals(const struct sl_worker *w)
{
	static const int ignored[] = { SIGPIPE, SIGXFSZ, SIGHUP, SIGINT, SIGTERM };
	int r;

	/* A closed log or a file at its limit is an error code, not an end; the rest is the
	 * broker's to say. */
	for (size_t i = 0; i < SL_ARRAY_LEN(ignored); i++) {
		signal(ignored[i], SIG_IGN);
	}
	r = sl_sigbus_install();
	if (r < 0) {
		quit(w, "installing the SIGBUS handler", r);
	}
}

static void say_hello(struct sl_worker *w)
{
	_cleanup_close_ int fd = -1;
	union sl_ctl_message m;
	int r;

	r = sl_stats_new(&w->stats, &fd);
	if (r < 0) {
		quit(w, "making the stats page", r);
	}
	sl_ctl_init(&m, SL_CTL_HELLO, 1);
	m.hello.role = SL_CTL_ROLE_WORKER;
	m.hello.capabilities = SL_CTL_CAP_VTEST | SL_CTL_CAP_RECORD;
	if (sl_renderer_caches_shaders(w->o)) {
		m.hello.capabilities |= SL_CTL_CAP_SHADERS;
	}
	r = sl_ctl_send(w->channel_fd, &m, &fd);
	if (r < 0) {
		_exit(SL_WORKER_OK); /* the broker has gone */
	}
}

/* Stage 2, its first half: before threads. */
static void confine(struct sl_worker *w)
{
	struct sl_confinement c = {
		.empty_root = w->backend != NULL || !sl_renderer_needs_files(w->o),
		.uid = w->o->n_uids > 0 ? 1 + w->slot % w->o->n_uids : 0,
	};
	const char *what = "";
	int r;

	if (w->o->no_sandbox) {
		return;
	}
	w->layers = w->o->layers | SL_SANDBOX_PIDNS;
	r = sl_confine(&c, &w->layers, &what);
	if (r < 0) {
		quit(w, what, r);
	}
}

static void need_renderer(struct sl_worker *w)
{
	char *error = NULL;
	int r;

	if (w->backend) {
		return;
	}
	r = sl_renderer_make(w->o, &w->backend, &error);
	if (r < 0) {
		sl_worker_tell_fault(w->channel_fd, 0, true, "%s", error ? error : strerror(-r));
		_exit(SL_WORKER_HOST_FAILED);
	}
}

/* Its second half: for all threads there are. */
static void close_door(struct sl_worker *w, const struct sl_filter *f)
{
	int r;

	if (w->o->no_sandbox) {
		return;
	}
#ifdef SL_HOSTILE
	if (w->o->without_seccomp) {
		return;
	}
#endif
	r = sl_filter_install(f);
	if (r < 0) {
		quit(w, "installing the seccomp filter", r);
	}
	w->layers |= SL_SANDBOX_SECCOMP;
}

static void say_ready(struct sl_worker *w)
{
	union sl_ctl_message m;
	int r;

	sl_renderer_describe(w->backend, w->layers, &m);
	r = sl_ctl_send(w->channel_fd, &m, NULL);
	if (r == 0) {
		sl_ctl_init(&m, SL_CTL_READY, 0);
		r = sl_ctl_send(w->channel_fd, &m, NULL);
	}
	if (r < 0) {
		_exit(SL_WORKER_OK);
	}
}

/* Warm: nothing happens until the broker says something. Returns with an ATTACH or not at all. */
static void wait_for_attach(struct sl_worker *w, union sl_ctl_message *m, int fds[SL_MAX_FDS])
{
	struct pollfd p = { .fd = w->channel_fd, .events = POLLIN };
	size_t n_fds = 0;
	int r;

	do {
		if (poll(&p, 1, -1) < 0 && errno != EINTR) {
			quit(w, "waiting for a session", -errno);
		}
		r = sl_ctl_recv(w->channel_fd, m, fds, &n_fds);
	} while (r == -EAGAIN);
	if (r == -EPIPE || (r == 0 && m->h.type == SL_CTL_SHUTDOWN)) {
		_exit(SL_WORKER_OK);
	}
	if (r < 0 || m->h.type != SL_CTL_ATTACH) {
		quit(w, "unexpected message from the broker", r < 0 ? r : -EPROTO);
	}
}

static void say_goodbye(struct sl_worker *w)
{
	union sl_ctl_message m;

	sl_ctl_init(&m, SL_CTL_BYE, 0);
	sl_ctl_send(w->channel_fd, &m, NULL);
}

static int serve(struct sl_worker *w)
{
	union sl_ctl_message m;
	int fds[SL_MAX_FDS] = { -1 };

	wait_for_attach(w, &m, fds);
	/*
	 * Die with the broker, even inside the renderer. Not earlier: until SPAWNED was answered
	 * our parent was the intermediate, whose end is no reason to die.
	 */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifdef SL_HOSTILE
	if (w->o->attack) {
		return sl_worker_attack(w, m.attach.domain, fds[0]);
	}
#endif
	return sl_worker_serve(w, &m.attach, fds);
}

void sl_worker_run(const struct sl_zygote_state *z, uint32_t slot, int channel_fd)
{
	struct sl_worker w = {
		.o = z->o,
		.backend = z->backend,
		.channel_fd = channel_fd,
		.slot = slot,
	};
	int status, r;

	sl_log_init("sluice-worker", z->o->log_level);
	r = z->backend ? sl_inherit_detach() : 0;
	if (r < 0) {
		quit(&w, "replacing inherited memory", r);
	}
	set_signals(&w);
	say_hello(&w);
	confine(&w);
	need_renderer(&w);
	close_door(&w, &z->filter);
	say_ready(&w);
	status = serve(&w);
	say_goodbye(&w);
	/* Not exit(): libraries' handlers have nothing to do that the kernel does not do. */
	_exit(status);
}
