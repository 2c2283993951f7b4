/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "broker/child.h"
#include "util/list.h"

struct sl_broker;
struct sl_bsession;
struct sl_zygote;

/*
 * Warm workers of one kind. The key is (render node, GL API, sandbox profile); node and profile
 * are the broker's own today, so the API alone tells pools apart. A connection that finds no warm
 * worker waits here, in order, until one is ready or the pool has to give up.
 */
struct sl_pool {
	struct sl_list link; /* in the broker's pools */
	struct sl_broker *broker;
	char *host_gl;
	unsigned int refs;       /* domains that use it */
	struct sl_list zygotes;  /* struct sl_zygote: one, or one per spawn without zygote mode */
	struct sl_list children; /* struct sl_child */
	struct sl_list waiting;  /* struct sl_bsession */
	unsigned int n_waiting;
	unsigned int failures;           /* in a row */
	sd_event_source *retry;          /* armed: no start before it fires */
	struct sl_ctl_renderer renderer; /* name "": not known yet */
	char *last_error;
};

/* The pool for this API ("" or NULL: the default one), made when there is none yet. */
int sl_pool_get(struct sl_broker *b, const char *host_gl, struct sl_pool **ret);
/* A domain lets go: a pool that nobody uses any more is taken down. */
void sl_pool_unref(struct sl_pool *p);
/* At the end: kill what is warm or starting, end the zygotes. Sessions' workers are not touched. */
void sl_pool_stop(struct sl_pool *p);
struct sl_pool *sl_pool_free(struct sl_pool *p);

/*
 * Give @s a worker: now, or when there is one. -EAGAIN when too many wait already, -EIO when
 * workers cannot be started: the caller ends the session then.
 */
int sl_pool_request(struct sl_pool *p, struct sl_bsession *s);
/* @s waits no longer; harmless when it did not. */
void sl_pool_cancel(struct sl_pool *p, struct sl_bsession *s);

/* Start what is missing. */
void sl_pool_fill(struct sl_pool *p);
unsigned int sl_pool_count(const struct sl_pool *p, enum sl_child_state state);

/* Is this process a zygote of the pool? */
bool sl_pool_has_zygote(const struct sl_pool *p, pid_t pid);

/* From child.c. */
void sl_pool_child_ready(struct sl_pool *p, struct sl_child *c);
void sl_pool_child_gone(struct sl_pool *p, struct sl_child *c, const struct sl_exit_info *e);
void sl_pool_renderer(struct sl_pool *p, const struct sl_ctl_renderer *r);

/* From zygote.c: spawning failed, or the zygote died. @text may be NULL. */
void sl_pool_failed(struct sl_pool *p, const char *text);
