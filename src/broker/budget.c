/* SPDX-License-Identifier: MIT */
/*
 * Budgets: which limits a session gets, and whether a domain may have another one. A domain over
 * its number of sessions is refused by closing the connection: vtest has no word for it.
 */
#include "broker/budget.h"
#include "broker/broker.h"
#include "broker/domain.h"

#define PICK(bit, member)                                                                          \
	if (limits->given & (bit)) {                                                               \
		r.member = limits->member;                                                         \
	}

struct sl_control_limits sl_budget_merge(
	const struct sl_control_limits *limits, const struct sl_control_limits *defaults)
{
	struct sl_control_limits r = *defaults;

	PICK(SL_CONTROL_LIMIT_MEM, mem_bytes);
	PICK(SL_CONTROL_LIMIT_RESOURCES, resources);
	PICK(SL_CONTROL_LIMIT_CONTEXTS, contexts);
	PICK(SL_CONTROL_LIMIT_CMD, cmd_bytes);
	PICK(SL_CONTROL_LIMIT_MESSAGE, message_ms);
	PICK(SL_CONTROL_LIMIT_SYNCS, syncs);
	PICK(SL_CONTROL_LIMIT_SESSIONS, sessions);
	r.given = UINT32_MAX;
	return r;
}

bool sl_budget_full(const struct sl_domain *d)
{
	return d->n_sessions - d->n_queued >= d->limits.sessions;
}

const char *sl_budget_no_place(const struct sl_domain *d, char *buf, size_t size)
{
	snprintf(buf, size, "it has its %u sessions", d->limits.sessions);
	return buf;
}

/* At most as many wait as there could be places: each costs the broker an fd. */
const char *sl_budget_admit(
	const struct sl_broker *b, const struct sl_domain *d, char *buf, size_t size)
{
	if (sl_budget_full(d) && d->n_queued >= d->limits.sessions) {
		return sl_budget_no_place(d, buf, size);
	}
	if (b->n_sessions >= b->config.sessions_total) {
		snprintf(buf, size, "the broker has its %llu sessions",
			(unsigned long long)b->config.sessions_total);
		return buf;
	}
	return NULL;
}

void sl_budget_fill_attach(const struct sl_control_limits *limits, struct sl_ctl_attach *attach)
{
	attach->mem_bytes = limits->mem_bytes;
	attach->resources = limits->resources;
	attach->contexts = limits->contexts;
	attach->cmd_bytes = limits->cmd_bytes;
	attach->message_ms = limits->message_ms;
	attach->syncs = limits->syncs;
}
