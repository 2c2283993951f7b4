/* SPDX-License-Identifier: MIT */
/*
 * How a client gets in: accepted, identified, admitted, and until it has a worker. A domain with
 * all its sessions lets a connection wait a moment, because a client that closes one to open
 * another at once (Mesa's EGL does, to try what there is) comes before the first one's worker has
 * gone. It counts as a session until then, so no budget is ever exceeded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "broker/broker.h"
#include "broker/budget.h"
#include "broker/domain.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "util/fds.h"

/* A client waits this long for a worker at most: rule 6, released in bounded time. */
#define WAIT_TIMEOUT_US (60 * 1000000ull)
/* ... and for a place: a worker needs milliseconds to go, on a loaded machine a second. */
#define PLACE_TIMEOUT_US (2 * 1000000ull)
#define REFUSALS_LOGGED_EVERY_NS (5 * SL_NSEC_PER_SEC)

/* Whoever connects in a loop must not write our log: one line a few seconds, with a count. */
static void log_refusal(struct sl_broker *b, const struct sl_domain *d, const char *why)
{
	uint64_t now = sl_now_ns();

	b->refusals++;
	if (b->refusal_log_ns && now - b->refusal_log_ns < REFUSALS_LOGGED_EVERY_NS) {
		return;
	}
	sl_warn("domain %s: connection refused: %s (%llu refused in all)", d->name, why,
		(unsigned long long)b->refusals);
	b->refusal_log_ns = now;
}

void sl_bsession_refuse(struct sl_bsession *s, const char *why)
{
	log_refusal(s->broker, s->domain, why);
	sl_bsession_free(s);
}

static int on_hangup(sd_event_source *src, int fd, uint32_t revents, void *user)
{
	struct sl_bsession *s = user;

	sl_debug("session %llu: client left before it had a worker", (unsigned long long)s->id);
	sl_bsession_free(s);
	return 0;
}

static int on_wait_timeout(sd_event_source *src, uint64_t usec, void *user)
{
	sl_bsession_refuse(user, "no worker in time");
	return 0;
}

static int on_place_timeout(sd_event_source *src, uint64_t usec, void *user)
{
	struct sl_bsession *s = user;
	char buf[96];

	sl_bsession_refuse(s, sl_budget_no_place(s->domain, buf, sizeof(buf)));
	return 0;
}

static int arm(struct sl_bsession *s, uint64_t after_us, sd_event_time_handler_t handler)
{
	sl_event_source_unrefp(&s->timer);
	return sd_event_add_time_relative(
		s->broker->event, &s->timer, CLOCK_MONOTONIC, after_us, 1000, handler, s);
}

static int wait_for_place(struct sl_bsession *s)
{
	s->queued = true;
	s->domain->n_queued++;
	return arm(s, PLACE_TIMEOUT_US, on_place_timeout);
}

static int wait_for_worker(struct sl_bsession *s)
{
	int r = arm(s, WAIT_TIMEOUT_US, on_wait_timeout);

	return r < 0 ? r : sl_pool_request(s->domain->pool, s);
}

static void refuse_for(struct sl_bsession *s, int error)
{
	sl_bsession_refuse(s, error == -EAGAIN ? "too many connections wait for a worker"
			      : error == -EIO  ? "no worker can be started"
					       : strerror(-error));
}

/* A session of it has gone: whoever waits longest takes its place. */
static void give_place(struct sl_domain *d)
{
	struct sl_bsession *s;
	int r;

	sl_list_for_each (s, &d->sessions, domain_link) {
		if (s->queued) {
			s->queued = false;
			d->n_queued--;
			r = wait_for_worker(s);
			if (r < 0) {
				refuse_for(s, r);
			}
			return;
		}
	}
}

void sl_bsession_free(struct sl_bsession *s)
{
	struct sl_broker *b = s->broker;
	struct sl_domain *d = s->domain;

	sl_pool_cancel(d->pool, s);
	sl_list_remove(&s->link);
	sl_list_remove(&s->domain_link);
	d->n_sessions--;
	d->n_queued -= s->queued;
	b->n_sessions--;
	sl_event_source_unrefp(&s->hangup);
	sl_event_source_unrefp(&s->timer);
	sl_close(s->client);
	sl_identity_fini(&s->identity);
	free(s);
	if (d->removing) {
		sl_domain_session_gone(d);
	} else if (!b->stopping && !sl_budget_full(d)) {
		give_place(d);
	}
	sl_broker_changed(b);
}

static struct sl_bsession *session_new(struct sl_domain *d, int fd)
{
	struct sl_broker *b = d->broker;
	struct sl_bsession *s = calloc(1, sizeof(*s));

	if (!s) {
		sl_close(fd);
		return NULL;
	}
	*s = (struct sl_bsession){
		.broker = b,
		.domain = d,
		.id = b->next_session_id++,
		.client = fd,
		.limits = d->limits,
		.accepted_ns = sl_now_ns(),
	};
	sl_list_init(&s->wait_link);
	sl_list_append(&b->sessions, &s->link);
	sl_list_append(&d->sessions, &s->domain_link);
	b->n_sessions++;
	d->n_sessions++;
	return s;
}

void sl_bsession_accept(struct sl_domain *d, int fd)
{
	struct sl_broker *b = d->broker;
	struct sl_bsession *s;
	const char *why;
	bool full;
	char buf[96];
	int r;

	why = d->removing ? "it is being removed" : sl_budget_admit(b, d, buf, sizeof(buf));
	if (why) {
		log_refusal(b, d, why);
		sl_close(fd);
		return;
	}
	full = sl_budget_full(d);
	s = session_new(d, fd);
	if (!s) {
		return;
	}
	r = sl_identity_read(fd, d != b->shared, &s->identity);
	if (r >= 0) {
		/* EPOLLHUP comes unasked: the client's bytes are not ours to see. */
		r = sd_event_add_io(b->event, &s->hangup, fd, 0, on_hangup, s);
	}
	if (r >= 0) {
		r = full ? wait_for_place(s) : wait_for_worker(s);
	}
	if (r < 0) {
		refuse_for(s, r);
		return;
	}
	sl_broker_changed(b);
}
