/* SPDX-License-Identifier: MIT */
/*
 * The session loop: one front end on one socket, one session, the broker's channel beside it. A
 * turn is one wait, one run of the front end, and the stats; nothing in it blocks but the wait and
 * the renderer's own calls, which the broker's watchdog bounds.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "frontend/vtest/vtest.h"
#include "util/fault.h"
#include "util/fds.h"
#include "worker/confine.h"
#include "worker/sigbus.h"
#include "worker/worker.h"

/* Releasing a session frees GL objects, and drivers have been seen to hang there. */
#define RELEASE_SECONDS 3

enum end_cause {
	END_NONE = 0,
	END_CLOSED,   /* the client hung up */
	END_FAULT,    /* the client's doing, @fault */
	END_HOST,     /* the host's, @error */
	END_SHUTDOWN, /* the broker asked for it */
	END_ORPHANED, /* the broker has gone */
};

struct serving {
	struct sl_worker *w;
	struct sl_session *session;
	struct sl_vtest *vtest;
	int client_fd; /* the transport's */
	int record_fd;
	uint64_t attached_ns;
	enum end_cause end;
	int fault;
	int error;
};

static void end(struct serving *s, enum end_cause cause, int value)
{
	if (s->end != END_NONE) {
		return;
	}
	s->end = cause;
	if (cause == END_FAULT) {
		s->fault = value;
	} else {
		s->error = value;
	}
}

static void run_frontend(struct serving *s, uint64_t now_ns)
{
	int r;

	sl_stats_busy(s->w->stats, now_ns);
	r = sl_vtest_run(s->vtest);
	if (sl_sigbus_happened()) {
		sl_session_count_fault(s->session, SL_FAULT_MEMORY_GONE);
		end(s, END_FAULT, SL_FAULT_MEMORY_GONE);
	} else if (r == SL_VTEST_CLOSED) {
		end(s, END_CLOSED, 0);
	} else if (SL_VTEST_IS_FAULT(r)) {
		end(s, END_FAULT, SL_VTEST_FAULT(r));
	} else if (r < 0) {
		end(s, END_HOST, r);
	}
}

static void read_channel(struct serving *s)
{
	union sl_ctl_message m;
	int r;

	r = sl_ctl_recv(s->w->channel_fd, &m, NULL, NULL);
	if (r == -EAGAIN) {
		return;
	}
	if (r == -EPIPE) {
		end(s, END_ORPHANED, 0);
	} else if (r < 0) {
		end(s, END_HOST, r);
	} else if (m.h.type == SL_CTL_SHUTDOWN) {
		end(s, END_SHUTDOWN, 0);
	} else {
		/* A second ATTACH is for DRM sessions, which are not served here. */
		sl_worker_tell_fault(s->w->channel_fd, 0, false,
			"unexpected message %u from the "
			"broker",
			m.h.type);
	}
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / SL_NSEC_PER_SEC),
		.tv_nsec = (long)(ns % SL_NSEC_PER_SEC),
	};
}

/* When to go on at the latest: the session's wish is relative, the front end's absolute. */
static uint64_t deadline(const struct serving *s, uint64_t next_ns)
{
	uint64_t at = sl_vtest_deadline_ns(s->vtest);

	if (next_ns != SL_NEVER_NS) {
		at = SL_MIN(at, sl_now_ns() + next_ns);
	}
	return at;
}

/*
 * Wait for something to do. Returns whether the front end should run, with *ret_now_ns. While it
 * waits for a fence, its socket is watched for a client that has gone: nobody else would see it.
 */
static bool wait(struct serving *s, uint64_t next_ns, uint64_t *ret_now_ns)
{
	struct pollfd p[] = {
		{ .fd = s->client_fd, .events = sl_vtest_events(s->vtest) },
		{ .fd = s->w->channel_fd, .events = POLLIN },
		{ .fd = sl_session_poll_fd(s->session), .events = POLLIN },
	};
	uint64_t now, at = deadline(s, next_ns);
	struct timespec timeout = { 0 };

	if (at != SL_NEVER_NS) {
		now = sl_now_ns();
		timeout = timespec_of(at > now ? at - now : 0);
	}
	if (ppoll(p, SL_ARRAY_LEN(p), at == SL_NEVER_NS ? NULL : &timeout, NULL) < 0 &&
		errno != EINTR) {
		end(s, END_HOST, -errno);
		return false;
	}
	*ret_now_ns = now = sl_now_ns();
	if (p[1].revents) {
		read_channel(s);
	}
	if (p[0].events == 0) {
		if (p[0].revents & (POLLHUP | POLLERR)) {
			end(s, END_CLOSED, 0);
		}
		return now >= sl_vtest_deadline_ns(s->vtest);
	}
	return p[0].revents || now >= sl_vtest_deadline_ns(s->vtest);
}

static void loop(struct serving *s)
{
	uint64_t now = s->attached_ns;
	bool run = true;

	while (s->end == END_NONE) {
		bool waiting;
		uint64_t next;

		if (run) {
			run_frontend(s, now);
		}
		waiting = sl_vtest_events(s->vtest) == 0;
		next = sl_session_poll(s->session);
		sl_stats_idle(s->w->stats, s->session, s->attached_ns);
		run = waiting && sl_vtest_events(s->vtest) != 0;
		if (!run && s->end == END_NONE) {
			run = wait(s, next, &now);
		}
	}
}

static void report(const struct serving *s)
{
	uint64_t id = sl_session_id(s->session);

	switch (s->end) {
	case END_FAULT:
		sl_notice(
			"session %llu: ended: %s", (unsigned long long)id, sl_fault_str(s->fault));
		sl_worker_tell_fault(
			s->w->channel_fd, (uint32_t)s->fault, true, "%s", sl_fault_str(s->fault));
		break;
	case END_HOST:
		sl_err("session %llu: ended by a fault of this host: %s", (unsigned long long)id,
			strerror(-s->error));
		sl_worker_tell_fault(s->w->channel_fd, 0, true, "%s", strerror(-s->error));
		break;
	case END_ORPHANED:
		sl_debug("session %llu: the broker has gone: ending", (unsigned long long)id);
		break;
	default:
		sl_debug("session %llu: ended", (unsigned long long)id);
		break;
	}
}

static void on_alarm(int sig)
{
	_exit(SL_WORKER_HUNG_EXIT);
}

/* The session's destructor checks that everything was given back; it may not take for ever. */
static void release(struct serving *s)
{
	const struct itimerval limit = { .it_value = { .tv_sec = RELEASE_SECONDS } };

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &limit, NULL);
	sl_vtest_free(s->vtest);
	sl_session_free(s->session);
	s->w->backend = NULL;
	sl_close(s->record_fd);
}

static struct sl_limits limits_of(const struct sl_ctl_attach *a)
{
	return (struct sl_limits){
		.mem_bytes = a->mem_bytes,
		.resources = a->resources,
		.contexts = a->contexts,
		.cmd_bytes = a->cmd_bytes,
		.message_ms = a->message_ms,
		.syncs = a->syncs,
	};
}

static int set_up(struct serving *s, const struct sl_ctl_attach *a, int client_fd)
{
	const struct sl_limits limits = limits_of(a);
	struct sl_transport *t = NULL;
	int r;

	if (!s->w->o->no_sandbox) {
		r = sl_confine_memory(a->mem_bytes, s->record_fd >= 0);
		if (r < 0) {
			return r;
		}
	}
	r = sl_session_new(a->session_id, &limits, s->w->backend, &s->session);
	if (r < 0) {
		return r;
	}
	r = sl_transport_socket_new(client_fd, &t);
	if (r < 0) {
		return r;
	}
	s->client_fd = client_fd;
	r = sl_vtest_new(s->session, t, &s->vtest);
	if (r < 0) {
		t->ops->free(t);
		return r;
	}
	return s->record_fd >= 0 ? sl_vtest_record(s->vtest, s->record_fd) : 0;
}

static int status_of(const struct serving *s)
{
	switch (s->end) {
	case END_FAULT:
		return SL_WORKER_CLIENT_FAULT;
	case END_HOST:
		return SL_WORKER_HOST_FAILED;
	default:
		return SL_WORKER_OK;
	}
}

int sl_worker_serve(struct sl_worker *w, const struct sl_ctl_attach *attach, const int *fds)
{
	bool records = attach->flags & SL_CTL_ATTACH_RECORD;
	struct serving s = { .w = w, .client_fd = -1, .record_fd = records ? fds[1] : -1 };
	union sl_ctl_message m;
	int r = 0;

	s.attached_ns = sl_now_ns();
	if (attach->frontend != SL_CTL_FRONTEND_VTEST) {
		r = -EPROTONOSUPPORT;
	}
	sl_worker_begin_shaders(attach, fds[1 + records]);
	r = r ?: set_up(&s, attach, fds[0]);
	sl_ctl_init(&m, SL_CTL_ATTACHED, 0);
	r = r ?: sl_ctl_send(w->channel_fd, &m, NULL);
	if (r < 0) {
		sl_err("session %llu: cannot begin: %s", (unsigned long long)attach->session_id,
			strerror(-r));
		sl_worker_tell_fault(
			w->channel_fd, 0, true, "the session cannot begin: %s", strerror(-r));
		return SL_WORKER_HOST_FAILED;
	}
	loop(&s);
	report(&s);
	release(&s);
	if (s.end == END_CLOSED || s.end == END_SHUTDOWN) {
		sl_worker_end_shaders(w, attach);
	}
	return status_of(&s);
}
