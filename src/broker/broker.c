/* SPDX-License-Identifier: MIT */
/*
 * The broker's life: set-up, signals, the idle clock, and the end. At the end sockets close
 * first, so that nobody is accepted and then dropped; sessions are asked to leave; what has not
 * left after the grace is killed; no file stays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "config.h"
#include "broker/broker.h"
#include "broker/child.h"
#include "broker/control.h"
#include "broker/domain.h"
#include "broker/listener.h"
#include "broker/pool.h"
#include "broker/service.h"
#include "broker/session.h"
#include "broker/watchdog.h"
#include "util/fds.h"

/* A session is two fds here, and the soft limit is 1024 on most hosts. */
static void raise_fd_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/*
 * Microseconds since 1970: later than any id that an earlier broker gave out, unless one made a
 * million sessions a second or the clock was set back; and below 2^53, so that every JSON reader
 * keeps it exact.
 */
static uint64_t first_session_id(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int init_loop(struct sl_broker *b)
{
	int r = sd_event_new(&b->event);

	if (r >= 0) {
		r = sl_broker_watch_signals(b);
	}
	if (r >= 0) {
		/* WATCHDOG=1 at half the interval, if the service manager asked for it. */
		r = sd_event_set_watchdog(b->event, true);
	}
	if (r >= 0) {
		r = sl_watchdog_start(b);
	}
	return r < 0 ? r : 0;
}

static int init_directory(struct sl_broker *b, char **ret_error)
{
	_cleanup_free_ char *fallback = NULL;
	int r;

	if (!b->config.directory) {
		r = sl_directory_default(&fallback, ret_error);
		if (r < 0) {
			return r;
		}
	}
	return sl_directory_open(&b->dir, fallback ? fallback : b->config.directory, ret_error);
}

static int init_sockets(struct sl_broker *b, char **ret_error)
{
	int control, vtest, r;

	r = sl_service_sockets(&control, &vtest, ret_error);
	if (r == 0 && (b->config.shared || vtest >= 0)) {
		r = sl_domain_add_shared(b, vtest, ret_error);
		b->vtest_activated = vtest >= 0;
	}
	if (r == 0) {
		r = sl_control_start(b, control, ret_error);
		b->control_activated = control >= 0;
	}
	return r;
}

int sl_broker_init(struct sl_broker *b, struct sl_config *config)
{
	_cleanup_free_ char *error = NULL;
	int r;

	*b = (struct sl_broker){ .config = *config, .started_ns = sl_now_ns() };
	*config = (struct sl_config){};
	b->dir.fd = b->dir.lock_fd = -1;
	b->next_session_id = first_session_id();
	sl_list_init(&b->domains);
	sl_list_init(&b->pools);
	sl_list_init(&b->sessions);
	sl_list_init(&b->peers);
	raise_fd_limit();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = init_loop(b);
	if (r == 0) {
		r = init_directory(b, &error);
	}
	if (r == 0) {
		sl_cgroup_init(&b->cgroup, b->config.cgroup);
		r = sl_pool_get(b, NULL, &b->pool);
	}
	if (r == 0) {
		r = init_sockets(b, &error);
	}
	if (r < 0) {
		sl_err("%s", error ? error : strerror(-r));
		return r == -EBUSY ? SL_BROKER_EXIT_RUNNING : SL_BROKER_EXIT_FAILURE;
	}
	sl_notice("sluiced " SLUICE_VERSION " in %s%s%s", b->dir.path,
		b->shared ? ", shared socket " : ", no shared socket",
		b->shared ? b->shared->socket : "");
	sl_pool_fill(b->pool);
	if (b->config.warm == 0) {
		sl_broker_set_ready(b);
	}
	sl_broker_changed(b);
	return 0;
}

static void free_domains(struct sl_broker *b)
{
	while (!sl_list_empty(&b->domains)) {
		sl_domain_free(sl_list_entry(b->domains.next, struct sl_domain, link));
	}
}

/* What is left at this point is stuck: it goes with us, or stays in its driver. */
static void free_sessions(struct sl_broker *b)
{
	while (!sl_list_empty(&b->sessions)) {
		struct sl_bsession *s = sl_list_entry(b->sessions.next, struct sl_bsession, link);
		const struct sl_exit_info unknown = {};

		if (s->child) {
			s->end_reason = "the broker has ended";
			sl_bsession_ended(s, &unknown);
		} else {
			sl_bsession_refuse(s, "the broker has ended");
		}
	}
}

static void remove_sockets(struct sl_broker *b)
{
	/* An activated socket is the service manager's, and outlives us. */
	if (b->dir.lock_fd >= 0) {
		if (!b->control_activated) {
			sl_directory_remove(&b->dir, "control");
		}
		if (!b->vtest_activated) {
			sl_directory_remove(&b->dir, "vtest");
		}
	}
}

void sl_broker_fini(struct sl_broker *b)
{
	b->stopping = true;
	b->control = sl_listener_free(b->control);
	while (!sl_list_empty(&b->peers)) {
		sl_peer_free(sl_list_entry(b->peers.next, struct sl_peer, link));
	}
	free_sessions(b);
	free_domains(b);
	while (!sl_list_empty(&b->pools)) {
		sl_pool_free(sl_list_entry(b->pools.next, struct sl_pool, link));
	}
	remove_sockets(b);
	sl_directory_close(&b->dir);
	sl_cgroup_fini(&b->cgroup);
	sl_event_source_unrefp(&b->watchdog);
	sl_event_source_unrefp(&b->idle);
	sl_event_source_unrefp(&b->grace);
	for (size_t i = 0; i < SL_ARRAY_LEN(b->signals); i++) {
		sl_event_source_unrefp(&b->signals[i]);
	}
	sd_event_unref(b->event);
	free(b->slots.bits);
	sl_config_fini(&b->config);
}

/* Nothing, not even a stuck worker, holds the end up for longer than this. */
static int on_last_grace(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_broker *b = user;

	sl_warn("ending with %u workers that did not die", b->n_children);
	sd_event_exit(b->event, b->exit_status);
	return 0;
}

void sl_broker_stop(struct sl_broker *b, int exit_status)
{
	struct sl_bsession *s, *tmp;
	struct sl_domain *d;
	struct sl_pool *p;

	if (b->stopping) {
		return;
	}
	b->stopping = true;
	b->exit_status = exit_status;
	sl_service_stopping();
	sl_control_stop(b);
	sl_list_for_each (d, &b->domains, link) {
		d->listener = sl_listener_free(d->listener);
	}
	remove_sockets(b);
	sl_list_for_each_safe (s, tmp, &b->sessions, link) {
		sl_bsession_end(s, "the broker ends");
	}
	sl_list_for_each (p, &b->pools, link) {
		sl_pool_stop(p);
	}
	sd_event_add_time_relative(b->event, &b->grace, CLOCK_MONOTONIC,
		b->config.grace_ms * 1000 + 4000000, 1000, on_last_grace, b);
	sl_broker_check_stopped(b);
}

static bool only_stuck_left(const struct sl_broker *b)
{
	unsigned int stuck = 0;
	struct sl_pool *p;

	sl_list_for_each (p, &b->pools, link) {
		stuck += sl_pool_count(p, SL_CHILD_STUCK);
	}
	return stuck == b->n_children;
}

static bool replies_left(const struct sl_broker *b)
{
	struct sl_peer *p;

	sl_list_for_each (p, &b->peers, link) {
		if (p->out) {
			return true;
		}
	}
	return false;
}

void sl_broker_check_stopped(struct sl_broker *b)
{
	if (b->stopping && b->event && only_stuck_left(b) && !replies_left(b)) {
		sd_event_exit(b->event, b->exit_status);
	}
}

static int on_idle(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_broker *b = user;

	sl_info("idle for %llu s: ending", (unsigned long long)b->config.idle_exit_s);
	sl_broker_stop(b, SL_BROKER_EXIT_OK);
	return 0;
}

static bool is_idle(const struct sl_broker *b)
{
	const struct sl_domain *d;

	if (b->n_sessions > 0 || b->n_peers > 0) {
		return false;
	}
	sl_list_for_each (d, &b->domains, link) {
		if (d != b->shared) {
			return false;
		}
	}
	return true;
}

void sl_broker_changed(struct sl_broker *b)
{
	if (b->stopping) {
		return;
	}
	if (b->ready) {
		sl_service_status(b);
	}
	if (b->config.idle_exit_s == 0) {
		return;
	}
	sl_event_source_unrefp(&b->idle);
	if (is_idle(b)) {
		sd_event_add_time_relative(b->event, &b->idle, CLOCK_MONOTONIC,
			b->config.idle_exit_s * 1000000, 1000, on_idle, b);
	}
}

void sl_broker_set_ready(struct sl_broker *b)
{
	if (!b->ready) {
		b->ready = true;
		sl_service_ready(b);
	}
}
