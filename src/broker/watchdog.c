/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a worker stuck in GL cannot watch itself. It writes when a renderer call begins;
 * a call without an end is killed after a bound. A heartbeat that moves during the call makes it
 * more patient by one bound, not more: a hostile worker may move what it likes.
 */
#include <errno.h>

#include "broker/broker.h"
#include "broker/domain.h"
#include "broker/session.h"
#include "broker/watchdog.h"
#include "util/fds.h"

/* Also the rate at which domains' memory is sampled for peak_bytes. */
#define PERIOD_MAX_US 1000000ull
#define PERIOD_MIN_US 100000ull

bool sl_watchdog_stuck(
	struct sl_watch *w, const struct sl_ctl_stats_page *st, uint64_t now_ns, uint64_t bound_ns)
{
	uint64_t begun;

	if (st->busy_since_ns == 0) {
		*w = (struct sl_watch){ .heartbeat = st->heartbeat, .since_ns = now_ns };
		return false;
	}
	if (st->busy_since_ns != w->busy_since_ns || st->heartbeat != w->heartbeat) {
		bool same_call = st->busy_since_ns == w->busy_since_ns;

		w->heartbeat = st->heartbeat;
		w->busy_since_ns = st->busy_since_ns;
		if (!same_call) {
			w->since_ns = now_ns;
		}
		/* Something moves: twice the bound for one call, by our own clock. */
		return same_call && now_ns - w->since_ns > 2 * bound_ns;
	}
	begun = SL_MIN(st->busy_since_ns, w->since_ns);
	return now_ns - begun > bound_ns;
}

static void look(struct sl_bsession *s, uint64_t now_ns, uint64_t bound_ns)
{
	struct sl_ctl_stats_page st;

	if (!s->child || s->state == SL_BSESSION_STUCK) {
		return;
	}
	sl_child_stats(s->child, &st);
	if (bound_ns > 0 && s->state == SL_BSESSION_LIVE &&
		sl_watchdog_stuck(&s->watch, &st, now_ns, bound_ns)) {
		sl_warn("session %llu: more than %llu s in one renderer call: killing its worker",
			(unsigned long long)s->id,
			(unsigned long long)(bound_ns / SL_NSEC_PER_SEC));
		sl_bsession_kill(s, "watchdog: stuck in a renderer call");
	}
}

static uint64_t period_us(const struct sl_broker *b)
{
	uint64_t us = b->config.watchdog_s * 1000000 / 4;

	if (us == 0 || us > PERIOD_MAX_US) {
		return PERIOD_MAX_US;
	}
	return SL_MAX(us, PERIOD_MIN_US);
}

static int on_tick(sd_event_source *src, uint64_t usec, void *user)
{
	struct sl_broker *b = user;
	uint64_t now_ns = sl_now_ns(), bound_ns = b->config.watchdog_s * SL_NSEC_PER_SEC;
	struct sl_bsession *s, *tmp;
	struct sl_domain *d;

	sl_list_for_each_safe (s, tmp, &b->sessions, link) {
		look(s, now_ns, bound_ns);
	}
	sl_list_for_each (d, &b->domains, link) {
		sl_domain_sample(d);
	}
	sd_event_source_set_time_relative(src, period_us(b));
	sd_event_source_set_enabled(src, SD_EVENT_ONESHOT);
	return 0;
}

int sl_watchdog_start(struct sl_broker *b)
{
	return sd_event_add_time_relative(
		b->event, &b->watchdog, CLOCK_MONOTONIC, period_us(b), PERIOD_MIN_US, on_tick, b);
}
