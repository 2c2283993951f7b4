/* SPDX-License-Identifier: MIT */
/*
 * Sessions: given a worker, and accounted for when it has gone (accept.c is what comes before).
 * The broker holds a client's fd until a worker has taken it over and never reads from it. How a
 * client leaves is the worker's to notice; how a worker leaves is ours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "broker/budget.h"
#include "broker/domain.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "util/fault.h"
#include "util/fds.h"

/* One hostile session must not fill the log. */
#define FAULTS_LOGGED 8

static void log_start(const struct sl_bsession *s)
{
	const struct sl_identity *i = &s->identity;
	char pid[96] = "pid not visible";

	if (i->host_pid > 0 && i->inner_pid > 0 && i->inner_pid != i->host_pid) {
		snprintf(pid, sizeof(pid), "pid %d (%d inside)", (int)i->host_pid,
			(int)i->inner_pid);
	} else if (i->host_pid > 0) {
		snprintf(pid, sizeof(pid), "pid %d", (int)i->host_pid);
	}
	sl_info("session %llu: started, domain %s, %s, uid %u, %s%s%.12s, by %s, worker %d, on %s, "
		"%s",
		(unsigned long long)s->id, s->domain->name, pid, (unsigned int)i->uid,
		*i->comm ? i->comm : "name unknown", *i->container ? ", container " : "",
		i->container, sl_identified_by_str(i->by), (int)s->child->pid,
		s->child->renderer.name,
		*s->child->renderer.api ? s->child->renderer.api : "no API");
}

/* The message, and the fds that go with it, which stay ours. */
static void fill_attach(
	struct sl_bsession *s, struct sl_child *c, union sl_ctl_message *m, int fds[SL_MAX_FDS])
{
	int shaders = c->caches_shaders ? sl_shader_cache_fd(&s->domain->shaders) : -1;

	sl_ctl_init(m, SL_CTL_ATTACH, 0);
	fds[m->h.n_fds++] = s->client;
	if (s->domain->record_fd >= 0) {
		m->attach.flags |= SL_CTL_ATTACH_RECORD;
		fds[m->h.n_fds++] = s->domain->record_fd;
	}
	if (shaders >= 0) {
		m->attach.flags |= SL_CTL_ATTACH_SHADERS;
		fds[m->h.n_fds++] = shaders;
	}
	m->attach.session_id = s->id;
	m->attach.frontend = SL_CTL_FRONTEND_VTEST;
	snprintf(m->attach.domain, sizeof(m->attach.domain), "%s", s->domain->name);
	sl_budget_fill_attach(&s->limits, &m->attach);
}

int sl_bsession_attach(struct sl_bsession *s, struct sl_child *c)
{
	union sl_ctl_message m;
	int fds[SL_MAX_FDS], r;

	fill_attach(s, c, &m, fds);
	r = sl_ctl_send(c->channel, &m, fds);
	if (r < 0) {
		return r;
	}
	if (m.attach.flags & SL_CTL_ATTACH_RECORD) {
		/* The first session's bytes only. */
		s->domain->record_fd = sl_close(s->domain->record_fd);
	}
	sl_event_source_unrefp(&s->hangup);
	sl_event_source_unrefp(&s->timer);
	s->client = sl_close(s->client);
	s->child = c;
	s->state = SL_BSESSION_LIVE;
	s->attached_ns = s->watch.since_ns = sl_now_ns();
	c->owes_shaders = m.attach.flags & SL_CTL_ATTACH_SHADERS;
	c->session = s;
	c->state = SL_CHILD_TAKEN;
	sl_cgroup_attach(&s->broker->cgroup, s->domain->name, c->pid);
	log_start(s);
	return 0;
}

void sl_bsession_end(struct sl_bsession *s, const char *reason)
{
	if (!s->child) {
		sl_bsession_refuse(s, reason);
		return;
	}
	if (s->state == SL_BSESSION_LIVE) {
		s->end_reason = reason;
		s->state = SL_BSESSION_ENDING;
		sl_child_end(s->child);
	}
}

void sl_bsession_kill(struct sl_bsession *s, const char *reason)
{
	if (!s->child) {
		sl_bsession_refuse(s, reason);
		return;
	}
	if (s->state != SL_BSESSION_STUCK) {
		s->end_reason = reason;
		s->state = SL_BSESSION_ENDING;
		sl_child_kill(s->child);
	}
}

void sl_bsession_fault(struct sl_bsession *s, const struct sl_ctl_fault *f)
{
	snprintf(s->last_fault, sizeof(s->last_fault), "%s",
		*f->text ? f->text : sl_fault_str((int)f->fault));
	memcpy(s->domain->last_fault, s->last_fault, sizeof(s->last_fault));
	if (s->n_faults_logged++ < FAULTS_LOGGED) {
		sl_log(f->fault ? SL_LOG_INFO : SL_LOG_WARNING, "session %llu: %s%s",
			(unsigned long long)s->id, s->last_fault,
			f->fatal ? ": the session ends" : "");
	}
}

void sl_bsession_stuck(struct sl_bsession *s)
{
	s->state = SL_BSESSION_STUCK;
}

/* Lost: the worker died of itself, and not as it should. */
static bool was_lost(const struct sl_bsession *s, const struct sl_exit_info *e)
{
	return !s->end_reason && !s->child->said_bye &&
	       (!e->known || e->signalled || e->status != 0);
}

static void log_end(const struct sl_bsession *s, const struct sl_exit_info *e,
	const struct sl_ctl_stats_page *st, bool lost)
{
	uint64_t ms = (sl_now_ns() - s->attached_ns) / SL_NSEC_PER_MSEC;
	char how[64], why[400];

	if (s->end_reason) {
		snprintf(why, sizeof(why), "ended: %s", s->end_reason);
	} else if (lost) {
		snprintf(why, sizeof(why), "lost: its worker %s%s%s",
			sl_exit_describe(e, how, sizeof(how)), *s->child->last_words ? ": " : "",
			s->child->last_words);
	} else {
		snprintf(why, sizeof(why), "ended");
	}
	sl_log(lost ? SL_LOG_WARNING : SL_LOG_INFO,
		"session %llu: %s, domain %s, after %llu.%03llu s, peak %llu KiB, %llu submits",
		(unsigned long long)s->id, why, s->domain->name, (unsigned long long)(ms / 1000),
		(unsigned long long)(ms % 1000), (unsigned long long)(st->mem_peak_bytes / 1024),
		(unsigned long long)st->submits);
}

void sl_bsession_ended(struct sl_bsession *s, const struct sl_exit_info *e)
{
	struct sl_ctl_stats_page st;
	bool lost = was_lost(s, e);

	sl_child_stats(s->child, &st);
	sl_domain_account(s->domain, s, &st, lost);
	log_end(s, e, &st, lost);
	s->child->session = NULL;
	sl_bsession_free(s);
}
