/* SPDX-License-Identifier: MIT */
/* A session as the control protocol shows it. What the worker says is shown, never relied on. */
#include "broker/broker.h"
#include "broker/domain.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "util/fault.h"
#include "util/fds.h"

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static void set_number(json_t *o, const char *key, uint64_t n)
{
	set(o, key, json_integer((json_int_t)SL_MIN(n, (uint64_t)INT64_MAX)));
}

static void set_pid(json_t *o, const char *key, pid_t pid)
{
	set(o, key, pid > 0 ? json_integer(pid) : json_null());
}

static void set_text(json_t *o, const char *key, const char *s)
{
	set(o, key, sl_control_text(s && *s ? s : NULL));
}

static const char *state_name(enum sl_bsession_state state)
{
	static const char *const names[] = {
		[SL_BSESSION_WAITING] = "waiting",
		[SL_BSESSION_LIVE] = "live",
		[SL_BSESSION_ENDING] = "ending",
		[SL_BSESSION_STUCK] = "stuck",
	};

	return names[state];
}

static void set_identity(json_t *o, const struct sl_identity *i)
{
	set_text(o, "identified_by", sl_identified_by_str(i->by));
	set_text(o, "container", i->container);
	set_text(o, "cgroup", i->cgroup);
	set_pid(o, "host_pid", i->host_pid);
	set_pid(o, "inner_pid", i->inner_pid);
	set_number(o, "uid", i->uid);
	set_number(o, "gid", i->gid);
	set_text(o, "comm", i->comm);
}

static void set_stats(json_t *o, const struct sl_bsession *s)
{
	struct sl_ctl_stats_page st = {};
	const char *fault = s->last_fault;

	if (s->child) {
		sl_child_stats(s->child, &st);
	}
	if (!*fault && st.last_fault) {
		fault = sl_fault_str((int)SL_MIN(st.last_fault, (uint32_t)SL_N_FAULTS));
	}
	set_number(o, "bytes", st.mem_bytes);
	set_number(o, "peak_bytes", st.mem_peak_bytes);
	set_number(o, "limit_bytes", s->limits.mem_bytes);
	set_number(o, "submits", st.submits);
	set_number(o, "commands", st.commands);
	set_number(o, "transfer_bytes", st.transfer_bytes);
	set_number(o, "bytes_in", st.bytes_in);
	set_number(o, "resources", st.resources);
	set_number(o, "contexts", st.contexts);
	set_number(o, "mem_refused", st.mem_refused);
	set_number(o, "faults", st.faults);
	set_text(o, "last_fault", fault);
	set_number(o, "first_frame_ns", st.first_frame_ns);
}

json_t *sl_bsession_json(const struct sl_bsession *s)
{
	const struct sl_ctl_renderer *r =
		s->child ? &s->child->renderer : &s->domain->pool->renderer;
	json_t *o = json_object();

	set_number(o, "session", s->id);
	set_text(o, "domain", s->domain->name);
	set(o, "tenant", json_null());
	set_text(o, "frontend", "vtest");
	set_identity(o, &s->identity);
	set_text(o, "renderer", r->name);
	set_text(o, "api", r->api);
	set(o, "software", json_boolean(r->software));
	set_stats(o, s);
	set_number(o, "age_ns", sl_now_ns() - s->accepted_ns);
	set_pid(o, "worker_pid", s->child ? s->child->pid : 0);
	set_text(o, "state", state_name(s->state));
	return o;
}
