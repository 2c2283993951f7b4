/* SPDX-License-Identifier: MIT */
/* A minimal broker for tests: one launcher, workers by hand, TAP output. */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox-harness.h"
#include "util/cleanup.h"
#include "util/fds.h"

static int n_tests, n_failed;
static char zygote_fault[256];

void h_bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(99);
}

void h_ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	n_tests++;
	n_failed += !pass;
	printf("%sok %d - ", pass ? "" : "not ", n_tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

void h_skip(const char *name, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++n_tests, name, why);
	fflush(stdout);
}

int h_done(void)
{
	printf("1..%d\n", n_tests);
	return n_failed > 0;
}

void h_drop(char **argv, unsigned int id)
{
	char *args[64];
	size_t n = 0;

	while (argv[n] && n < SL_ARRAY_LEN(args) - 2) {
		args[n] = argv[n];
		n++;
	}
	args[n++] = (char *)"--dropped";
	args[n] = NULL;
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0) {
		h_bail("cannot become uid %u: %s", id, strerror(errno));
	}
	/* Anew, so that /proc/self is ours again. */
	execv(args[0], args);
	printf("1..0 # SKIP uid %u cannot run %s: %s\n", id, args[0], strerror(errno));
	exit(0);
}

struct sl_launcher *h_launch(const struct sl_launch_options *o)
{
	struct sl_launcher *l = NULL;
	char *error = NULL;
	int r;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		h_bail("prctl(PR_SET_CHILD_SUBREAPER): %s", strerror(errno));
	}
	zygote_fault[0] = '\0';
	r = sl_launcher_new(o, &l, &error);
	if (r < 0) {
		h_bail("launcher: %s", error ? error : strerror(-r));
	}
	return l;
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, H_TIMEOUT_MS) != 1) {
		h_bail("nothing came within %d ms (zygote: %s)", H_TIMEOUT_MS, zygote_fault);
	}
}

static void on_spawned(void *user, uint32_t slot, int channel, int pidfd, pid_t pid)
{
	struct h_worker *w = user;

	w->channel = channel;
	w->pidfd = pidfd;
	w->pid = pid;
	w->spawned_ns = sl_now_ns();
}

static void on_renderer(void *user, const struct sl_ctl_renderer *r)
{
}

static void on_failed(void *user, bool fatal, const char *text)
{
	snprintf(zygote_fault, sizeof(zygote_fault), "%s", text);
	if (fatal) {
		h_bail("zygote: %s", text);
	}
}

const char *h_zygote_fault(void)
{
	return zygote_fault;
}

static void take(struct h_worker *w, const union sl_ctl_message *m, int *fds, size_t n_fds)
{
	switch (m->h.type) {
	case SL_CTL_HELLO:
		w->stats = mmap(NULL, sizeof(*w->stats), PROT_READ, MAP_SHARED, fds[0], 0);
		break;
	case SL_CTL_RENDERER:
		w->renderer = m->renderer;
		break;
	case SL_CTL_READY:
		w->ready = true;
		w->ready_ns = sl_now_ns();
		break;
	case SL_CTL_ATTACHED:
		w->attached = true;
		break;
	case SL_CTL_FAULT:
		w->fault = m->fault;
		break;
	case SL_CTL_BYE:
		w->bye = true;
		break;
	case SL_CTL_SHADERS:
		w->left_shaders = true;
		w->shaders_fd = fds[0];
		n_fds = 0; /* it is kept */
		break;
	default:
		h_bail("worker sent message %u", m->h.type);
	}
	sl_close_many(fds, n_fds);
}

bool h_pump(struct h_worker *w, bool (*until)(const struct h_worker *w))
{
	while (!until(w)) {
		union sl_ctl_message m;
		int fds[SL_MAX_FDS];
		size_t n_fds = 0;
		int r;

		wait_readable(w->channel);
		r = sl_ctl_recv(w->channel, &m, fds, &n_fds);
		if (r == -EPIPE) {
			return false;
		}
		if (r < 0) {
			h_bail("worker's channel: %s", strerror(-r));
		}
		take(w, &m, fds, n_fds);
	}
	return true;
}

static bool is_ready(const struct h_worker *w)
{
	return w->ready;
}

bool h_is_attached(const struct h_worker *w)
{
	return w->attached;
}

bool h_has_fault(const struct h_worker *w)
{
	return w->fault.text[0] != '\0';
}

bool h_said_bye(const struct h_worker *w)
{
	return w->bye;
}

void h_spawn(struct sl_launcher *l, uint32_t slot, struct h_worker *w)
{
	static const struct sl_launcher_events events = {
		.spawned = on_spawned,
		.renderer = on_renderer,
		.failed = on_failed,
	};
	int r;

	*w = (struct h_worker){ .channel = -1, .pidfd = -1, .asked_ns = sl_now_ns() };
	if (sl_launcher_spawn(l, slot) < 0) {
		h_bail("cannot ask for a worker");
	}
	while (w->channel < 0) {
		wait_readable(sl_launcher_fd(l));
		r = sl_launcher_process(l, &events, w);
		if (r < 0) {
			h_bail("zygote: %s", strerror(-r));
		}
		if (zygote_fault[0]) {
			h_bail("zygote: %s", zygote_fault);
		}
	}
	if (!h_pump(w, is_ready)) {
		h_bail("worker ended before READY: %s", w->fault.text);
	}
}

void h_attach(struct h_worker *w, int client_fd, const char *domain)
{
	h_attach_shaders(w, client_fd, domain, -1);
}

void h_attach_shaders(struct h_worker *w, int client_fd, const char *domain, int archive_fd)
{
	const int fds[] = { client_fd, archive_fd };
	union sl_ctl_message m;
	static uint64_t id;

	sl_ctl_init(&m, SL_CTL_ATTACH, archive_fd < 0 ? 1 : 2);
	m.attach.flags = archive_fd < 0 ? 0 : SL_CTL_ATTACH_SHADERS;
	m.attach.session_id = ++id;
	m.attach.frontend = SL_CTL_FRONTEND_VTEST;
	m.attach.mem_bytes = 1ull << 30;
	m.attach.resources = 1000;
	m.attach.contexts = 16;
	m.attach.cmd_bytes = 4u << 20;
	m.attach.message_ms = 10000;
	m.attach.syncs = 100;
	snprintf(m.attach.domain, sizeof(m.attach.domain), "%s", domain);
	if (sl_ctl_send(w->channel, &m, fds) < 0) {
		h_bail("cannot attach");
	}
}

bool h_is_gone(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

struct h_exit h_wait(struct h_worker *w)
{
	siginfo_t si = { 0 };

	if (!h_is_gone(w->pidfd, H_TIMEOUT_MS)) {
		h_bail("worker %d does not end", (int)w->pid);
	}
	if (waitid((idtype_t)P_PIDFD, (id_t)w->pidfd, &si, WEXITED) < 0) {
		return (struct h_exit){ .status = -1 };
	}
	return (struct h_exit){ .signalled = si.si_code != CLD_EXITED, .status = si.si_status };
}

void h_close(struct h_worker *w)
{
	if (w->stats) {
		munmap((void *)w->stats, sizeof(*w->stats));
		w->stats = NULL;
	}
	w->channel = sl_close(w->channel);
	w->pidfd = sl_close(w->pidfd);
}

static bool send_words(int fd, const void *words, size_t bytes)
{
	return send(fd, words, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

static bool recv_words(int fd, uint32_t *words, size_t n)
{
	wait_readable(fd);
	return recv(fd, words, n * 4, MSG_WAITALL) == (ssize_t)(n * 4);
}

/* As Mesa does: 8, then 10 and a busy wait on nothing together, then 11. */
int h_handshake(int fd)
{
	static const struct {
		uint32_t length, id;
		char name[8];
	} create = { 8, 8, "sandbox" };
	static const uint32_t ping[] = { 0, 10, 2, 7, 0, 0 };
	static const uint32_t version[] = { 1, 11, 2 };
	uint32_t pong[2 + 3], got[3];

	if (!send_words(fd, &create, sizeof(create)) || !send_words(fd, ping, sizeof(ping)) ||
		!recv_words(fd, pong, SL_ARRAY_LEN(pong)) || pong[1] != 10 || pong[3] != 7) {
		return -1;
	}
	if (!send_words(fd, version, sizeof(version)) || !recv_words(fd, got, SL_ARRAY_LEN(got)) ||
		got[1] != 11) {
		return -1;
	}
	return (int)got[2];
}
