/* SPDX-License-Identifier: MIT */
#pragma once

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

/* May this domain have one more session? NULL, or why not: "sessions of the domain (64)". */
const char *sl_budget_admit(
	const struct sl_broker *b, const struct sl_domain *d, char *buf, size_t size);

void sl_budget_fill_attach(const struct sl_control_limits *limits, struct sl_ctl_attach *attach);
