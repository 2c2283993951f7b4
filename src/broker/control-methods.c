/* SPDX-License-Identifier: MIT */
/* What the control protocol's methods do; their words are docs/protocol-control.md. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "broker/broker.h"
#include "broker/control.h"
#include "broker/domain.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "util/fds.h"

/* A method's outcome: a result, or a code and a message. */
struct answer {
	json_t *result;
	enum sl_control_code code;
	char *message;
};

static void refuse(struct answer *a, enum sl_control_code code, const char *fmt, ...)
	_printf_(3, 4);

static void refuse(struct answer *a, enum sl_control_code code, const char *fmt, ...)
{
	va_list ap;

	a->code = code;
	va_start(ap, fmt);
	if (vasprintf(&a->message, fmt, ap) < 0) {
		a->message = NULL;
	}
	va_end(ap);
}

static json_t *layers_json(uint32_t layers)
{
	static const char *const names[] = { "userns", "mountns", "netns", "ipcns", "pidns",
		"utsns", "no-caps", "no-new-privs", "rlimits", "landlock", "seccomp", "empty-root",
		"own-uid" };
	json_t *a = json_array();

	for (unsigned int i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (layers & (1u << i)) {
			json_array_append_new(a, json_string(names[i]));
		}
	}
	return a;
}

static json_t *renderer_json(const struct sl_ctl_renderer *r)
{
	if (!*r->name) {
		return json_null();
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:b}", "name", sl_control_text(r->name), "api",
		sl_control_text(*r->api ? r->api : NULL), "library", sl_control_text(r->library),
		"node", sl_control_text(*r->node ? r->node : NULL), "software", (int)r->software);
}

static void do_hello(struct sl_broker *b, struct answer *a)
{
	const struct sl_ctl_renderer *r = &b->pool->renderer;

	a->result = json_pack("{s:s, s:i, s:i, s:o, s:I, s:b, s:o, s:o, s:o, s:i, s:i}", "version",
		SLUICE_VERSION, "protocol", SL_CONTROL_VERSION, "pid", (int)getpid(), "directory",
		sl_control_text(b->dir.path), "uptime_ns",
		(json_int_t)(sl_now_ns() - b->started_ns), "private",
		(int)(b->config.idle_exit_s > 0), "shared_socket",
		sl_control_text(b->shared ? b->shared->socket : NULL), "renderer", renderer_json(r),
		"sandbox", layers_json(r->layers), "sessions", (int)b->n_sessions, "warm",
		(int)sl_pool_count(b->pool, SL_CHILD_WARM));
}

static void do_session_list(
	struct sl_broker *b, const struct sl_control_request *r, struct answer *a)
{
	json_t *list = json_array();
	struct sl_bsession *s;

	if (*r->name && !sl_domain_find(b, r->name)) {
		json_decref(list);
		refuse(a, SL_CONTROL_NOT_FOUND, "no domain %s", r->name);
		return;
	}
	sl_list_for_each (s, &b->sessions, link) {
		if (!*r->name || strcmp(s->domain->name, r->name) == 0) {
			json_array_append_new(list, sl_bsession_json(s));
		}
	}
	a->result = json_pack("{s:o}", "sessions", list);
}

static void do_session_kill(
	struct sl_broker *b, const struct sl_control_request *r, struct answer *a)
{
	struct sl_bsession *s;

	sl_list_for_each (s, &b->sessions, link) {
		if (s->id == r->session) {
			if (s->state == SL_BSESSION_STUCK) {
				refuse(a, SL_CONTROL_FAILED,
					"session %llu is stuck in its driver and cannot be killed",
					(unsigned long long)s->id);
				return;
			}
			sl_bsession_kill(s, "killed through the control socket");
			return;
		}
	}
	refuse(a, SL_CONTROL_NOT_FOUND, "no session %llu", (unsigned long long)r->session);
}

static void do_domain_list(struct sl_broker *b, struct answer *a)
{
	json_t *list = json_array();
	struct sl_domain *d;

	sl_list_for_each (d, &b->domains, link) {
		if (!d->removing) {
			json_array_append_new(list, sl_domain_json(d));
		}
	}
	a->result = json_pack("{s:o}", "domains", list);
}

static void do_domain_add(struct sl_peer *p, const struct sl_control_request *r, struct answer *a)
{
	struct sl_domain *d;

	a->code = sl_domain_add(
		p->broker, r, r->record ? TAKE_FD(p->passed_fd) : -1, p, &d, &a->message);
	if (a->code == SL_CONTROL_OK) {
		a->result = sl_domain_json(d);
	}
}

static void do_domain_remove(
	struct sl_broker *b, const struct sl_control_request *r, struct answer *a)
{
	struct sl_domain *d = sl_domain_find(b, r->name);

	if (!d) {
		refuse(a, SL_CONTROL_NOT_FOUND, "no domain %s", r->name);
	} else if (d == b->shared) {
		refuse(a, SL_CONTROL_DENIED,
			"domain %s is the shared socket's: set shared = off in sluice.conf",
			r->name);
	} else {
		sl_domain_remove(d, "its domain was removed");
	}
}

static void do_domain_usage(
	struct sl_broker *b, const struct sl_control_request *r, struct answer *a)
{
	struct sl_domain *d = sl_domain_find(b, r->name);

	if (d) {
		a->result = sl_domain_usage_json(d);
	} else {
		refuse(a, SL_CONTROL_NOT_FOUND, "no domain %s", r->name);
	}
}

static int on_shutdown(sd_event_source *s, void *user)
{
	sl_info("shutdown asked for through the control socket");
	sl_broker_stop(user, SL_BROKER_EXIT_OK);
	return 0;
}

static void do_shutdown(struct sl_peer *p, struct answer *a)
{
	p->closing = true;
	/* After the reply: stopping closes connections. */
	if (sd_event_add_defer(p->broker->event, NULL, on_shutdown, p->broker) < 0) {
		refuse(a, SL_CONTROL_FAILED, "out of memory");
	}
}

static void handle(struct sl_peer *p, const struct sl_control_request *r, struct answer *a)
{
	struct sl_broker *b = p->broker;

	switch (r->method) {
	case SL_CONTROL_HELLO:
		do_hello(b, a);
		break;
	case SL_CONTROL_SESSION_LIST:
		do_session_list(b, r, a);
		break;
	case SL_CONTROL_SESSION_KILL:
		do_session_kill(b, r, a);
		break;
	case SL_CONTROL_DOMAIN_LIST:
		do_domain_list(b, a);
		break;
	case SL_CONTROL_DOMAIN_ADD:
		do_domain_add(p, r, a);
		break;
	case SL_CONTROL_DOMAIN_REMOVE:
		do_domain_remove(b, r, a);
		break;
	case SL_CONTROL_DOMAIN_USAGE:
		do_domain_usage(b, r, a);
		break;
	case SL_CONTROL_SHUTDOWN:
		do_shutdown(p, a);
		break;
	default:
		refuse(a, SL_CONTROL_UNKNOWN_METHOD, "unknown method");
	}
}

char *sl_control_handle(struct sl_peer *p, const char *line, size_t len)
{
	struct sl_control_request r;
	struct answer a = {};
	char *text;

	a.code = sl_control_parse_request(line, len, &r, &a.message);
	if (a.code == SL_CONTROL_OK) {
		handle(p, &r, &a);
	} else if (!r.id) {
		/* No object, or none of ours: there is no telling where the next one begins. */
		p->closing = true;
	}
	text = a.code == SL_CONTROL_OK ? sl_control_encode_result(r.id, a.result)
				       : sl_control_encode_error(r.id, a.code, a.message);
	free(a.message);
	sl_control_request_fini(&r);
	return text;
}
