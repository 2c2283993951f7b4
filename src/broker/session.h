/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <systemd/sd-event.h>

#include "broker/child.h"
#include "broker/identity.h"
#include "broker/watchdog.h"
#include "protocol/control.h"
#include "protocol/worker.h"
#include "util/list.h"

struct sl_broker;
struct sl_domain;

/*
 * A session, as the broker knows it (core/session.h is the worker's own view): from accept() to
 * the death of its worker. Its client's fd is here only until a worker has it.
 */
enum sl_bsession_state {
	SL_BSESSION_WAITING, /* for a worker */
	SL_BSESSION_LIVE,
	SL_BSESSION_ENDING,
	SL_BSESSION_STUCK,
};

struct sl_bsession {
	struct sl_list link;        /* in the broker's sessions */
	struct sl_list domain_link; /* in its domain's */
	struct sl_list wait_link;   /* in its pool's waiting, or alone */
	struct sl_broker *broker;
	struct sl_domain *domain;
	struct sl_child *child; /* NULL while waiting */
	enum sl_bsession_state state;
	uint64_t id;
	int client; /* -1 once attached */
	sd_event_source *hangup, *timer;
	struct sl_identity identity;
	struct sl_control_limits limits;
	bool queued; /* waits for a place in its domain, and only then for a worker */
	uint64_t accepted_ns, attached_ns;
	struct sl_watch watch;
	char last_fault[256]; /* "" none */
	unsigned int n_faults_logged;
	const char *end_reason; /* why the broker ended it, NULL: it ended by itself */
};

/*
 * A connection to a domain's socket; takes @fd. Refused ones are closed, with the cause logged: at
 * once, or after a moment in which the domain might have had a place for it.
 */
void sl_bsession_accept(struct sl_domain *d, int fd);

/* From the pool: here is your worker. 0, or -errno and nothing has changed. */
int sl_bsession_attach(struct sl_bsession *s, struct sl_child *c);
/* From the pool: there will be none. The client is closed, @s is freed. */
void sl_bsession_refuse(struct sl_bsession *s, const char *why);
/* Whoever waits for a place in its domain gets this one's. May free the domain too. */
void sl_bsession_free(struct sl_bsession *s);

/* End it: gently, with a grace, or at once. @reason is a literal for the log. May free a waiting
 * one. */
void sl_bsession_end(struct sl_bsession *s, const char *reason);
void sl_bsession_kill(struct sl_bsession *s, const char *reason);

/* From its worker. */
void sl_bsession_fault(struct sl_bsession *s, const struct sl_ctl_fault *f);
void sl_bsession_stuck(struct sl_bsession *s);
void sl_bsession_ended(struct sl_bsession *s, const struct sl_exit_info *e);

/* As docs/protocol-control.md describes it. */
json_t *sl_bsession_json(const struct sl_bsession *s);
