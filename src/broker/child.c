/* SPDX-License-Identifier: MIT */
/*
 * A worker process. It is not our direct child at first: a short-lived intermediate forks it, and
 * as its subreaper we inherit it. Death is therefore seen on the pidfd, and its status is
 * collected with a few retries if it died before it was ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "broker/broker.h"
#include "broker/child.h"
#include "broker/domain.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "util/fds.h"

/* llvmpipe on a loaded embedded board takes seconds for its first draw. */
#define START_TIMEOUT_NS (60 * SL_NSEC_PER_SEC)
/* SIGKILL acts within milliseconds unless the process is in uninterruptible sleep. */
#define KILL_TIMEOUT_NS (3 * SL_NSEC_PER_SEC)
/* A worker says a handful of things in its life: more than this a second is noise. */
#define MESSAGES_PER_SECOND 200
#define MESSAGES_PER_TURN 16
#define REAP_TRIES 20
#define REAP_RETRY_NS (5 * SL_NSEC_PER_MSEC)
/* The page of the protocol, whatever the machine's page size is. */
#define STATS_BYTES sizeof(struct sl_ctl_stats_page)

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

const char *sl_exit_describe(const struct sl_exit_info *e, char *buf, size_t size)
{
	const char *name = e->signalled ? sigabbrev_np(e->status) : NULL;

	if (!e->known) {
		snprintf(buf, size, "ended");
	} else if (name) {
		snprintf(buf, size, "was killed by SIG%s", name);
	} else if (e->signalled) {
		snprintf(buf, size, "was killed by signal %d", e->status);
	} else {
		snprintf(buf, size, "exited with status %d", e->status);
	}
	return buf;
}

static int arm(struct sl_child *c, uint64_t after_ns, sd_event_time_handler_t handler)
{
	sl_event_source_unrefp(&c->timer);
	return sd_event_add_time_relative(
		c->broker->event, &c->timer, CLOCK_MONOTONIC, after_ns / 1000, 1000, handler, c);
}

static void disarm(struct sl_child *c)
{
	sl_event_source_unrefp(&c->timer);
}

/* /proc/PID/stat's third field, after the name in parentheses. */
static char process_state(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (sl_read_file_at(AT_FDCWD, path, 4096, &text, NULL) < 0) {
		return '?';
	}
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : '?';
}

static int on_kill_timeout(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_child *c = user;

	disarm(c);
	if (sl_child_check(c)) {
		return 0;
	}
	c->state = SL_CHILD_STUCK;
	sl_err("worker %d: does not die (state %c): stuck in its driver, stays charged to its "
	       "domain until it does",
		(int)c->pid, process_state(c->pid));
	if (c->session) {
		sl_bsession_stuck(c->session);
	}
	sl_broker_check_stopped(c->broker);
	return 0;
}

void sl_child_kill(struct sl_child *c)
{
	if (c->state == SL_CHILD_KILLED || c->state == SL_CHILD_STUCK) {
		return;
	}
	c->state = SL_CHILD_KILLED;
	if (syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
		sl_warn("worker %d: cannot be killed: %m", (int)c->pid);
	}
	arm(c, KILL_TIMEOUT_NS, on_kill_timeout);
}

static int on_grace(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_child *c = user;

	disarm(c);
	sl_info("worker %d: has not left in time, killing it", (int)c->pid);
	sl_child_kill(c);
	return 0;
}

void sl_child_end(struct sl_child *c)
{
	union sl_ctl_message m;

	if (c->state != SL_CHILD_TAKEN) {
		/* Nobody's session is in it (or it is on its way): nothing to be gentle about. */
		if (c->state < SL_CHILD_TAKEN) {
			sl_child_kill(c);
		}
		return;
	}
	sl_ctl_init(&m, SL_CTL_SHUTDOWN, 0);
	c->state = SL_CHILD_ENDING;
	if (c->broker->config.grace_ms == 0 || sl_ctl_send(c->channel, &m, NULL) < 0) {
		sl_child_kill(c);
		return;
	}
	arm(c, c->broker->config.grace_ms * SL_NSEC_PER_MSEC, on_grace);
}

static int on_start_timeout(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_child *c = user;

	disarm(c);
	sl_err("worker %d: not ready after %llu s: killing it", (int)c->pid,
		(unsigned long long)(START_TIMEOUT_NS / SL_NSEC_PER_SEC));
	sl_child_kill(c);
	return 0;
}

/* A worker that breaks the protocol is no longer our program. */
static void misbehaved(struct sl_child *c, const char *what)
{
	sl_err("worker %d: %s: killing it", (int)c->pid, what);
	sl_child_kill(c);
}

/*
 * Map its page. Only a sealed memfd will do: a worker that could shrink it would kill the broker
 * with a SIGBUS.
 */
static int map_stats(struct sl_child *c, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	void *p;

	if (c->stats || seals < 0 || !(seals & F_SEAL_SHRINK) ||
		sl_fd_size(fd) < (int64_t)STATS_BYTES) {
		return -EPROTO;
	}
	p = mmap(NULL, STATS_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		return -errno;
	}
	c->stats = p;
	return 0;
}

static void take_fault(struct sl_child *c, const struct sl_ctl_fault *f)
{
	if (f->fatal || !c->session) {
		snprintf(c->last_words, sizeof(c->last_words), "%s", f->text);
	}
	if (c->session) {
		sl_bsession_fault(c->session, f);
	} else {
		sl_err("worker %d: %s", (int)c->pid, f->text);
	}
}

/* Once, at its session's end. */
static void take_shaders(struct sl_child *c, int fd)
{
	int r;

	if (!c->session || !c->owes_shaders) {
		misbehaved(c, "SHADERS out of turn");
		return;
	}
	c->owes_shaders = false;
	r = sl_shader_cache_add(&c->session->domain->shaders, fd);
	if (r == -EPROTO) {
		misbehaved(c, "a broken archive of shaders");
	} else if (r < 0) {
		sl_warn("worker %d: what it has compiled is not kept: %s", (int)c->pid,
			strerror(-r));
	}
}

static void take_ready(struct sl_child *c)
{
	if (!c->stats || c->state != SL_CHILD_STARTING) {
		misbehaved(c, "READY out of turn");
		return;
	}
	disarm(c);
	c->was_ready = true;
	c->state = SL_CHILD_WARM;
	sl_pool_child_ready(c->pool, c);
}

static void take_message(struct sl_child *c, const union sl_ctl_message *m, int *fds, size_t n_fds)
{
	switch (m->h.type) {
	case SL_CTL_HELLO:
		if (n_fds != 1 || m->hello.role != SL_CTL_ROLE_WORKER || map_stats(c, fds[0]) < 0) {
			misbehaved(c, "bad HELLO");
		}
		c->caches_shaders = m->hello.capabilities & SL_CTL_CAP_SHADERS;
		break;
	case SL_CTL_RENDERER:
		/* Once its client talks, what it says of its renderer is hearsay. */
		if (c->state == SL_CHILD_STARTING) {
			c->renderer = m->renderer;
			sl_pool_renderer(c->pool, &m->renderer);
		}
		break;
	case SL_CTL_READY:
		take_ready(c);
		break;
	case SL_CTL_ATTACHED:
		break;
	case SL_CTL_FAULT:
		take_fault(c, &m->fault);
		break;
	case SL_CTL_SHADERS:
		take_shaders(c, fds[0]);
		break;
	case SL_CTL_BYE:
		c->said_bye = true;
		break;
	default:
		misbehaved(c, "a message that is not a worker's to send");
	}
}

/* Read what is there. */
static void drain(struct sl_child *c, unsigned int max)
{
	for (unsigned int i = 0; i < max; i++) {
		int fds[SL_MAX_FDS];
		union sl_ctl_message m;
		size_t n_fds = 0;
		int r;

		r = sl_ctl_recv(c->channel, &m, fds, &n_fds);
		if (r == -EAGAIN) {
			return;
		}
		if (r == 0) {
			take_message(c, &m, fds, n_fds);
			sl_close_many(fds, n_fds);
			continue;
		}
		/* Closed by its death, or broken: its death follows either way. */
		sl_event_source_unrefp(&c->channel_source);
		if (r != -EPIPE && r != -ECONNRESET && c->state != SL_CHILD_KILLED) {
			misbehaved(c, r == -EPROTONOSUPPORT ? "another version of sluice"
							    : "a broken message");
		}
		return;
	}
}

static int on_channel(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	drain(user, MESSAGES_PER_TURN);
	return 0;
}

static void gone(struct sl_child *c, const struct sl_exit_info *e)
{
	struct sl_broker *b = c->broker;

	/* Its last messages may explain its end. */
	if (c->channel_source) {
		c->state = SL_CHILD_KILLED;
		drain(c, MESSAGES_PER_TURN * 4);
	}
	sl_pool_child_gone(c->pool, c, e);
	sl_broker_check_stopped(b);
}

static int on_reap_retry(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_child *c = user;

	disarm(c);
	sl_child_check(c);
	return 0;
}

bool sl_child_check(struct sl_child *c)
{
	struct sl_exit_info e = {};
	siginfo_t si = {};

	if (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) == 0) {
		if (si.si_pid == 0) {
			return false;
		}
		e.known = true;
		e.signalled = si.si_code != CLD_EXITED;
		e.status = si.si_status;
	} else if (errno == ECHILD) {
		/* Dead, but its parent has not left it to us yet; or it still lives there. */
		if (syscall(SYS_pidfd_send_signal, c->pidfd, 0, NULL, 0) == 0 &&
			process_state(c->pid) != 'Z') {
			return false;
		}
		if (c->reap_tries++ < REAP_TRIES && arm(c, REAP_RETRY_NS, on_reap_retry) >= 0) {
			return false;
		}
	}
	gone(c, &e);
	return true;
}

static int on_pidfd(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	struct sl_child *c = user;

	/* Level-triggered and readable for ever: from here on the retry timer asks. */
	sl_event_source_unrefp(&c->pidfd_source);
	sl_child_check(c);
	return 0;
}

static int watch(struct sl_child *c)
{
	sd_event *event = c->broker->event;
	int r;

	r = sl_set_nonblock(c->channel, true);
	if (r >= 0) {
		r = sd_event_add_io(event, &c->channel_source, c->channel, EPOLLIN, on_channel, c);
	}
	if (r >= 0) {
		r = sd_event_source_set_ratelimit(
			c->channel_source, 1000000, MESSAGES_PER_SECOND / MESSAGES_PER_TURN);
	}
	if (r >= 0) {
		r = sd_event_add_io(event, &c->pidfd_source, c->pidfd, EPOLLIN, on_pidfd, c);
	}
	if (r >= 0) {
		/* Last words are read before the death is looked at. */
		r = sd_event_source_set_priority(c->pidfd_source, SD_EVENT_PRIORITY_NORMAL + 1);
	}
	if (r >= 0) {
		r = arm(c, START_TIMEOUT_NS, on_start_timeout);
	}
	return r;
}

int sl_child_new(struct sl_pool *pool, uint32_t slot, int channel, int pidfd, pid_t pid,
	struct sl_child **ret)
{
	struct sl_child *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		sl_close(channel);
		sl_close(pidfd);
		return -ENOMEM;
	}
	*c = (struct sl_child){ .broker = pool->broker,
		.pool = pool,
		.slot = slot,
		.pid = pid,
		.channel = channel,
		.pidfd = pidfd };
	sl_list_init(&c->link);
	r = watch(c);
	if (r < 0) {
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		c->broker = NULL;
		sl_child_free(c);
		return r;
	}
	c->broker->n_children++;
	*ret = c;
	return 0;
}

struct sl_child *sl_child_free(struct sl_child *c)
{
	if (!c) {
		return NULL;
	}
	if (c->broker) {
		c->broker->n_children--;
	}
	sl_list_remove(&c->link);
	sl_event_source_unrefp(&c->channel_source);
	sl_event_source_unrefp(&c->pidfd_source);
	sl_event_source_unrefp(&c->timer);
	if (c->stats) {
		munmap((void *)c->stats, STATS_BYTES);
	}
	sl_close(c->channel);
	sl_close(c->pidfd);
	free(c);
	return NULL;
}

void sl_child_stats(const struct sl_child *c, struct sl_ctl_stats_page *ret)
{
	/* Field by field would promise no more: the worker may write at any time. */
	if (c->stats) {
		memcpy(ret, (const void *)c->stats, sizeof(*ret));
	} else {
		*ret = (struct sl_ctl_stats_page){};
	}
}
