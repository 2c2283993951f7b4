/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "protocol/control.h"
#include "protocol/worker.h"

struct sl_broker;
struct sl_domain;

/*
 * What a session and a domain may use. The broker decides, ATTACH carries the session's part, the
 * worker enforces it. Tenants, when they come, stand between broker and domain: their check is
 * one more line in sl_budget_admit().
 */

/* core/limits.h has the reasons; the broker does not depend on core (test-budget.c compares). */
#define SL_BUDGET_DEFAULT                                                                          \
	((struct sl_control_limits){                                                               \
		.mem_bytes = 1ull << 30,                                                           \
		.resources = 65536,                                                                \
		.contexts = 64,                                                                    \
		.cmd_bytes = 4u << 20,                                                             \
		.message_ms = 10000,                                                               \
		.syncs = 4096,                                                                     \
		.sessions = 64,                                                                    \
	})

/* A session costs the broker two fds and 4 KiB, and the host 30 to 70 MiB: this bounds the first.
 */
#define SL_BUDGET_SESSIONS_TOTAL 1024u
/* Compiled shaders that a domain may leave for its next session: those of several programs. */
#define SL_BUDGET_SHADER_CACHE (32ull << 20)

/* @limits where given, @defaults elsewhere; all members of the result are set and .given says so.
 */
struct sl_control_limits sl_budget_merge(
	const struct sl_control_limits *limits, const struct sl_control_limits *defaults);

/*
 * May one more client of this domain come in, if only to wait for a place? NULL, or why not, in
 * @buf: "it has its 64 sessions".
 */
const char *sl_budget_admit(
	const struct sl_broker *b, const struct sl_domain *d, char *buf, size_t size);
/* Has it all its sessions, so that one more has to wait? */
bool sl_budget_full(const struct sl_domain *d);
/* What a client is told that waited in vain; @buf. */
const char *sl_budget_no_place(const struct sl_domain *d, char *buf, size_t size);

void sl_budget_fill_attach(const struct sl_control_limits *limits, struct sl_ctl_attach *attach);
