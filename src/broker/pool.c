/* SPDX-License-Identifier: MIT */
/*
 * Pools of warm workers. Filling is asynchronous and bounded: so many spawns at a time, and after
 * a failure a pause that doubles, so that a renderer that cannot start does not become a fork
 * bomb. A connection that waits is never lost: it gets a worker, or is closed with the cause in
 * the log once starting has failed often enough.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "broker/zygote.h"
#include "launcher/launcher.h"
#include "util/fds.h"

#define BACKOFF_FIRST_US (100 * 1000ull)
#define BACKOFF_LAST_US (30 * 1000000ull)
/* So many failures in a row, and those who wait are sent away; later ones at once. */
#define GIVE_UP_AFTER 5
/* Before the first worker ever: a broker that cannot render says so and ends. */
#define GIVE_UP_AT_START 3

static bool same_api(const struct sl_pool *p, const char *host_gl)
{
	return strcmp(p->host_gl, host_gl) == 0;
}

int sl_pool_get(struct sl_broker *b, const char *host_gl, struct sl_pool **ret)
{
	struct sl_pool *p;

	if (!host_gl || !*host_gl) {
		host_gl = b->config.host_gl ? b->config.host_gl : "on";
	}
	sl_list_for_each (p, &b->pools, link) {
		if (same_api(p, host_gl)) {
			p->refs++;
			*ret = p;
			return 0;
		}
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		return -ENOMEM;
	}
	p->broker = b;
	p->refs = 1;
	p->host_gl = strdup(host_gl);
	sl_list_init(&p->zygotes);
	sl_list_init(&p->children);
	sl_list_init(&p->waiting);
	sl_list_init(&p->link);
	if (!p->host_gl) {
		sl_pool_free(p);
		return -ENOMEM;
	}
	sl_list_append(&b->pools, &p->link);
	*ret = p;
	return 0;
}

unsigned int sl_pool_count(const struct sl_pool *p, enum sl_child_state state)
{
	unsigned int n = 0;
	struct sl_child *c;

	sl_list_for_each (c, &p->children, link) {
		n += c->state == state;
	}
	return n;
}

static void free_zygotes(struct sl_pool *p)
{
	while (!sl_list_empty(&p->zygotes)) {
		sl_zygote_free(sl_list_entry(p->zygotes.next, struct sl_zygote, link));
	}
}

void sl_pool_stop(struct sl_pool *p)
{
	struct sl_child *c;

	sl_event_source_unrefp(&p->retry);
	free_zygotes(p);
	sl_list_for_each (c, &p->children, link) {
		if (c->state < SL_CHILD_TAKEN) {
			sl_child_kill(c);
		}
	}
}

struct sl_pool *sl_pool_free(struct sl_pool *p)
{
	if (!p) {
		return NULL;
	}
	sl_event_source_unrefp(&p->retry);
	free_zygotes(p);
	while (!sl_list_empty(&p->children)) {
		sl_child_free(sl_list_entry(p->children.next, struct sl_child, link));
	}
	sl_list_remove(&p->link);
	free(p->host_gl);
	free(p->last_error);
	free(p);
	return NULL;
}

static void free_if_unused(struct sl_pool *p)
{
	if (p->refs == 0 && sl_list_empty(&p->children) && !p->broker->stopping) {
		sl_pool_free(p);
	}
}

void sl_pool_unref(struct sl_pool *p)
{
	if (--p->refs == 0) {
		sl_pool_stop(p);
		free_if_unused(p);
	}
}

static int on_retry(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_pool *p = user;

	sl_event_source_unrefp(&p->retry);
	sl_pool_fill(p);
	return 0;
}

static void refuse_waiting(struct sl_pool *p, const char *why)
{
	while (!sl_list_empty(&p->waiting)) {
		struct sl_bsession *s =
			sl_list_entry(p->waiting.next, struct sl_bsession, wait_link);

		sl_bsession_refuse(s, why);
	}
}

void sl_pool_failed(struct sl_pool *p, const char *text)
{
	uint64_t pause_us;

	if (p->broker->stopping) {
		return;
	}
	p->failures++;
	if (!p->broker->ready && p == p->broker->pool && p->failures >= GIVE_UP_AT_START) {
		sl_err("no worker could be started: %s: giving up", text ? text : "see above");
		sl_broker_stop(p->broker, SL_BROKER_EXIT_FAILURE);
		return;
	}
	if (p->failures >= GIVE_UP_AFTER) {
		refuse_waiting(p, "no worker can be started");
	}
	pause_us = BACKOFF_FIRST_US << SL_MIN(p->failures - 1, 10u);
	pause_us = SL_MIN(pause_us, BACKOFF_LAST_US);
	sl_warn("%s; next try in %llu ms", text ? text : "a worker could not be started",
		(unsigned long long)(pause_us / 1000));
	sl_event_source_unrefp(&p->retry);
	sd_event_add_time_relative(
		p->broker->event, &p->retry, CLOCK_MONOTONIC, pause_us, 1000, on_retry, p);
}

/* The zygote to ask: the one there is, or a new one. NULL after a failure was dealt with. */
static struct sl_zygote *zygote(struct sl_pool *p)
{
	bool one_shot = !p->broker->config.zygote;
	_cleanup_free_ char *error = NULL;
	struct sl_zygote *z;
	int r;

	if (!one_shot && !sl_list_empty(&p->zygotes)) {
		return sl_list_entry(p->zygotes.next, struct sl_zygote, link);
	}
	r = sl_zygote_new(p, one_shot, &z, &error);
	if (r < 0) {
		sl_pool_failed(p, error ? error : strerror(-r));
		return NULL;
	}
	return z;
}

bool sl_pool_has_zygote(const struct sl_pool *p, pid_t pid)
{
	struct sl_zygote *z;

	sl_list_for_each (z, &p->zygotes, link) {
		if (sl_launcher_pid(z->launcher) == pid) {
			return true;
		}
	}
	return false;
}

static unsigned int owed(const struct sl_pool *p)
{
	unsigned int n = 0;
	struct sl_zygote *z;

	sl_list_for_each (z, &p->zygotes, link) {
		n += z->n_owed;
	}
	return n;
}

void sl_pool_fill(struct sl_pool *p)
{
	const struct sl_config *c = &p->broker->config;

	while (!p->broker->stopping && p->refs > 0 && !p->retry) {
		unsigned int starting = owed(p) + sl_pool_count(p, SL_CHILD_STARTING);
		unsigned int have = starting + sl_pool_count(p, SL_CHILD_WARM);
		struct sl_zygote *z;
		int r;

		if (have >= c->warm + p->n_waiting || starting >= c->spawns) {
			return;
		}
		z = zygote(p);
		if (!z) {
			return;
		}
		r = sl_zygote_spawn(z);
		if (r < 0) {
			sl_zygote_free(z);
			sl_pool_failed(p, strerror(-r));
		}
	}
}

static struct sl_child *first_warm(struct sl_pool *p)
{
	struct sl_child *c;

	sl_list_for_each (c, &p->children, link) {
		if (c->state == SL_CHILD_WARM) {
			return c;
		}
	}
	return NULL;
}

/* Hand warm workers to those who wait, in their order. */
static void serve(struct sl_pool *p)
{
	struct sl_child *c;

	while (!sl_list_empty(&p->waiting) && (c = first_warm(p))) {
		struct sl_bsession *s =
			sl_list_entry(p->waiting.next, struct sl_bsession, wait_link);

		sl_pool_cancel(p, s);
		if (sl_bsession_attach(s, c) < 0) {
			/* It died while it waited: this one is first in line for the next. */
			sl_child_kill(c);
			sl_list_prepend(&p->waiting, &s->wait_link);
			p->n_waiting++;
		}
	}
}

int sl_pool_request(struct sl_pool *p, struct sl_bsession *s)
{
	if (p->failures >= GIVE_UP_AFTER) {
		return -EIO;
	}
	if (p->n_waiting >= p->broker->config.waiting) {
		return -EAGAIN;
	}
	sl_list_append(&p->waiting, &s->wait_link);
	p->n_waiting++;
	serve(p);
	sl_pool_fill(p);
	return 0;
}

void sl_pool_cancel(struct sl_pool *p, struct sl_bsession *s)
{
	if (!sl_list_empty(&s->wait_link)) {
		sl_list_remove(&s->wait_link);
		p->n_waiting--;
	}
}

void sl_pool_child_ready(struct sl_pool *p, struct sl_child *c)
{
	p->failures = 0;
	sl_debug("worker %d ready", (int)c->pid);
	sl_broker_set_ready(p->broker);
	serve(p);
	sl_pool_fill(p);
}

void sl_pool_child_gone(struct sl_pool *p, struct sl_child *c, const struct sl_exit_info *e)
{
	bool failure = !c->was_ready && !p->broker->stopping && p->refs > 0;
	char how[64], text[384];

	sl_slots_release(&p->broker->slots, c->slot);
	if (c->session) {
		sl_bsession_ended(c->session, e);
	} else if (!p->broker->stopping) {
		sl_exit_describe(e, how, sizeof(how));
		snprintf(text, sizeof(text), "worker %d %s %s%s%s", (int)c->pid, how,
			c->was_ready ? "while it was warm" : "before it was ready",
			*c->last_words ? ": " : "", c->last_words);
		if (!failure) {
			sl_warn("%s", text);
		}
	}
	sl_child_free(c);
	if (failure) {
		sl_pool_failed(p, text);
	} else {
		sl_pool_fill(p);
	}
	free_if_unused(p);
}

void sl_pool_renderer(struct sl_pool *p, const struct sl_ctl_renderer *r)
{
	bool first = p->renderer.name[0] == '\0';
	bool changed = !first && (strcmp(p->renderer.name, r->name) != 0 ||
					 strcmp(p->renderer.api, r->api) != 0);

	if (first || changed) {
		sl_notice("renderer%s: %s, %s, %s, node %s%s", changed ? " has changed" : "",
			r->name, *r->api ? r->api : "no API", r->library,
			*r->node ? r->node : "none", r->software ? " (software)" : "");
	}
	/* The zygote's word comes first, a worker's adds the layers of stage 2. */
	p->renderer = *r;
}
