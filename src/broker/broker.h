/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "broker/cgroup.h"
#include "broker/settings.h"
#include "broker/directory.h"
#include "util/list.h"

/*
 * The broker: sockets, domains, sessions, warm pools, control. One loop, one thread, nothing in
 * it blocks. It reads what the kernel says of a client and what its own workers say, never a
 * client's bytes.
 */
struct sl_domain;
struct sl_pool;
struct sl_listener;

struct sl_slots {
	uint64_t *bits;
	uint32_t n; /* slots that there are, a multiple of 64 */
};

struct sl_broker {
	struct sl_config config;
	sd_event *event;
	struct sl_directory dir;
	struct sl_cgroup cgroup;
	struct sl_list domains;  /* struct sl_domain */
	struct sl_list pools;    /* struct sl_pool */
	struct sl_list sessions; /* struct sl_bsession, oldest first */
	struct sl_list peers;    /* struct sl_peer, control connections */
	unsigned int n_sessions, n_peers, n_children;
	struct sl_domain *shared; /* the shared socket's domain, NULL when there is none */
	struct sl_pool *pool;     /* the default one */
	struct sl_listener *control;
	struct sl_slots slots;
	uint64_t next_session_id;
	uint64_t started_ns;
	sd_event_source *watchdog, *idle, *grace;
	sd_event_source *signals[3];
	uint64_t refusals, refusal_log_ns;
	bool control_activated, vtest_activated; /* the socket is the service manager's */
	bool ready;                              /* READY=1 has been sent */
	bool stopping;
	int exit_status;
};

/* sluiced's exit statuses, documented in sluiced(8). */
enum {
	SL_BROKER_EXIT_OK = 0,
	SL_BROKER_EXIT_FAILURE = 1, /* the directory, a socket or the renderer cannot be had */
	SL_BROKER_EXIT_USAGE = 2,   /* options or configuration */
	SL_BROKER_EXIT_RUNNING = 3, /* another broker has this directory */
};

/*
 * Set up everything that @config says (taken over, also on failure). 0, or a positive exit status
 * after the cause has been logged. The broker may be half made then: _fini() it.
 */
int sl_broker_init(struct sl_broker *b, struct sl_config *config);
void sl_broker_fini(struct sl_broker *b);

/* Begin the end: sockets close at once, sessions are asked to leave and killed after a grace. */
void sl_broker_stop(struct sl_broker *b, int exit_status);
/* Something ended: leave the loop if a stop waits for nothing any more. */
void sl_broker_check_stopped(struct sl_broker *b);
/* Sessions, domains or peers changed: start or stop the idle clock, tell the service manager. */
void sl_broker_changed(struct sl_broker *b);
/* The first worker is ready (or will be made on demand): tell the service manager, once. */
void sl_broker_set_ready(struct sl_broker *b);

/* SIGTERM and SIGINT end the broker, SIGCHLD reaps. 0 or -errno. */
int sl_broker_watch_signals(struct sl_broker *b);

/* A place for a worker, the lowest free one: it chooses its uid. UINT32_MAX when out of memory. */
uint32_t sl_slots_take(struct sl_slots *s);
void sl_slots_release(struct sl_slots *s, uint32_t slot);

static inline void sl_event_source_unrefp(sd_event_source **s)
{
	*s = sd_event_source_disable_unref(*s);
}
