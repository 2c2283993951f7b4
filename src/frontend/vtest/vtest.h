/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "core/session.h"
#include "frontend/transport.h"

/*
 * The vtest front end: virglrenderer's vtest protocol, versions 0 to 3, for one client. It is
 * driven from outside: call sl_vtest_run() when the transport may be ready, when
 * sl_session_poll() completed something, or at sl_vtest_deadline_ns().
 */
struct sl_vtest;

/* Takes @t over on success; the session stays the caller's and must outlive the front end. */
int sl_vtest_new(struct sl_session *s, struct sl_transport *t, struct sl_vtest **ret);
struct sl_vtest *sl_vtest_free(struct sl_vtest *v);

/*
 * Record what the client sends (protocol/recording.h) to @fd, which stays the caller's and is
 * written to blockingly. Before the first sl_vtest_run().
 */
int sl_vtest_record(struct sl_vtest *v, int fd);

enum sl_vtest_state {
	SL_VTEST_OPEN = 0,   /* call again when ready */
	SL_VTEST_CLOSED = 1, /* the client has hung up between messages */
};

/*
 * Do everything that can be done without blocking. enum sl_vtest_state, or, when the connection
 * must end: a negative errno (transport or host failed) or -1000 - enum sl_fault (the client's
 * doing), see SL_VTEST_FAULT().
 */
int sl_vtest_run(struct sl_vtest *v);
#define SL_VTEST_FAULT_BASE (-1000)
#define SL_VTEST_IS_FAULT(r) ((r) < SL_VTEST_FAULT_BASE)
#define SL_VTEST_FAULT(r) (SL_VTEST_FAULT_BASE - (r))

/*
 * The poll(2) events to wait for: POLLIN, POLLOUT, or 0 while only a fence can go on. poll() says
 * POLLHUP whatever it was asked for: with 0, a caller ends the session then, or does not poll the
 * socket; running the front end would change nothing.
 */
short sl_vtest_events(const struct sl_vtest *v);

/* CLOCK_MONOTONIC ns at which to call sl_vtest_run() at the latest, or SL_NEVER_NS. */
uint64_t sl_vtest_deadline_ns(const struct sl_vtest *v);
