/* SPDX-License-Identifier: MIT */
/* What a domain has used: ended sessions are summed up, live ones are added when asked. */
#include "broker/broker.h"
#include "broker/child.h"
#include "broker/domain.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "util/cleanup.h"

static void add(
	struct sl_domain_totals *t, const struct sl_bsession *s, const struct sl_ctl_stats_page *st)
{
	t->sessions++;
	t->submits += st->submits;
	t->commands += st->commands;
	t->transfer_bytes += st->transfer_bytes;
	t->bytes_in += st->bytes_in;
	t->faults += st->faults;
	t->mem_refused += st->mem_refused;
	t->shader_hits += st->shader_hits;
	if (t->first_frame_ns == 0) {
		t->first_frame_ns = st->first_frame_ns;
	}
	t->last_session = SL_MAX(t->last_session, s->id);
}

void sl_domain_sample(struct sl_domain *d)
{
	uint64_t sum = 0;
	struct sl_bsession *s;

	sl_list_for_each (s, &d->sessions, domain_link) {
		struct sl_ctl_stats_page st;

		if (s->child) {
			sl_child_stats(s->child, &st);
			sum += st.mem_bytes;
			/* Between two samples one session alone may have been higher. */
			d->totals.peak_bytes = SL_MAX(d->totals.peak_bytes, st.mem_peak_bytes);
		}
	}
	d->totals.peak_bytes = SL_MAX(d->totals.peak_bytes, sum);
}

void sl_domain_account(struct sl_domain *d, const struct sl_bsession *s,
	const struct sl_ctl_stats_page *st, bool lost)
{
	sl_domain_sample(d);
	add(&d->totals, s, st);
	d->totals.lost += lost;
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)SL_MIN(n, (uint64_t)INT64_MAX));
}

/* Null where compiled shaders are not kept. */
static json_t *shaders_json(const struct sl_domain *d, uint64_t hits)
{
	const struct sl_shader_cache *c = &d->shaders;

	if (c->max_bytes == 0) {
		return json_null();
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "entries", number(c->n_entries), "bytes",
		number(c->size_bytes), "limit_bytes", number(c->max_bytes), "hits", number(hits));
}

json_t *sl_domain_usage_json(struct sl_domain *d)
{
	struct sl_domain_totals t;
	unsigned int live = 0;
	struct sl_bsession *s;

	sl_domain_sample(d);
	t = d->totals;
	sl_list_for_each (s, &d->sessions, domain_link) {
		struct sl_ctl_stats_page st;

		if (s->child) {
			sl_child_stats(s->child, &st);
			add(&t, s, &st);
		}
		live++;
	}
	return json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"sessions", number(t.sessions), "live", (json_int_t)live, "lost", number(t.lost),
		"submits", number(t.submits), "commands", number(t.commands), "transfer_bytes",
		number(t.transfer_bytes), "bytes_in", number(t.bytes_in), "faults",
		number(t.faults), "mem_refused", number(t.mem_refused), "peak_bytes",
		number(t.peak_bytes), "first_frame_ns", number(t.first_frame_ns), "last_session",
		t.last_session ? number(t.last_session) : json_null(), "last_fault",
		sl_control_text(*d->last_fault ? d->last_fault : NULL), "shader_cache",
		shaders_json(d, t.shader_hits));
}

json_t *sl_domain_json(const struct sl_domain *d)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", (unsigned int)d->mode);
	return json_pack("{s:s, s:n, s:o, s:I, s:I, s:s, s:b, s:o, s:o, s:I}", "name", d->name,
		"tenant", "socket", sl_control_text(d->socket), "uid", (json_int_t)d->uid, "gid",
		(json_int_t)d->gid, "mode", mode, "ephemeral", (int)d->ephemeral, "limits",
		sl_control_limits_json(&d->limits), "host_gl", sl_control_text(d->pool->host_gl),
		"live", (json_int_t)d->n_sessions);
}
