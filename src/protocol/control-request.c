/* SPDX-License-Identifier: MIT */
/*
 * Requests of the control protocol, parsed and checked. The tools that send them are trusted to
 * administer the broker, not to be free of mistakes: every key is checked, an unknown one is an
 * error (a misspelt limit must not pass for no limit), and sizes are bounded.
 */
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "protocol/control.h"
#include "util/cleanup.h"

static const struct {
	const char *key;
	uint32_t bit;
	size_t offset;
	bool wide;
} limit_keys[] = {
	{ "mem_bytes", SL_CONTROL_LIMIT_MEM, offsetof(struct sl_control_limits, mem_bytes), true },
	{ "resources", SL_CONTROL_LIMIT_RESOURCES, offsetof(struct sl_control_limits, resources) },
	{ "contexts", SL_CONTROL_LIMIT_CONTEXTS, offsetof(struct sl_control_limits, contexts) },
	{ "cmd_bytes", SL_CONTROL_LIMIT_CMD, offsetof(struct sl_control_limits, cmd_bytes) },
	{ "message_ms", SL_CONTROL_LIMIT_MESSAGE, offsetof(struct sl_control_limits, message_ms) },
	{ "syncs", SL_CONTROL_LIMIT_SYNCS, offsetof(struct sl_control_limits, syncs) },
	{ "sessions", SL_CONTROL_LIMIT_SESSIONS, offsetof(struct sl_control_limits, sessions) },
};

/* What is being checked, and the first thing found wrong with it. */
struct check {
	enum sl_control_code code;
	char *error;
};

static void fail(struct check *c, enum sl_control_code code, const char *fmt, ...) _printf_(3, 4);

static void fail(struct check *c, enum sl_control_code code, const char *fmt, ...)
{
	va_list ap;

	if (c->code != SL_CONTROL_OK) {
		return;
	}
	c->code = code;
	va_start(ap, fmt);
	if (vasprintf(&c->error, fmt, ap) < 0) {
		c->error = NULL;
	}
	va_end(ap);
}

json_t *sl_control_limits_json(const struct sl_control_limits *l)
{
	json_t *o = json_object();

	for (size_t i = 0; o && i < SL_ARRAY_LEN(limit_keys); i++) {
		const char *at = (const char *)l + limit_keys[i].offset;
		uint64_t v = limit_keys[i].wide ? *(const uint64_t *)at : *(const uint32_t *)at;

		if (l->given & limit_keys[i].bit) {
			json_object_set_new(o, limit_keys[i].key, json_integer((json_int_t)v));
		}
	}
	return o;
}

/* An integer of 0 to @max. */
static bool take_uint(
	struct check *c, const char *key, const json_t *v, uint64_t max, uint64_t *ret)
{
	json_int_t i = json_integer_value(v);

	if (!json_is_integer(v) || i < 0 || (uint64_t)i > max) {
		fail(c, SL_CONTROL_INVALID, "%s must be an integer of 0 to %llu", key,
			(unsigned long long)max);
		return false;
	}
	*ret = (uint64_t)i;
	return true;
}

static bool take_bool(struct check *c, const char *key, const json_t *v, bool *ret)
{
	if (!json_is_boolean(v)) {
		fail(c, SL_CONTROL_INVALID, "%s must be true or false", key);
		return false;
	}
	*ret = json_is_true(v);
	return true;
}

static void take_name(
	struct check *c, const char *key, const json_t *v, struct sl_control_request *r)
{
	const char *s = json_string_value(v);

	if (!s || !sl_control_name_valid(s)) {
		fail(c, SL_CONTROL_INVALID,
			"%s must be 1 to %u letters, digits, '.', '_' or '-', beginning with a "
			"letter or digit",
			key, SL_CONTROL_NAME_MAX);
		return;
	}
	memcpy(r->name, s, strlen(s) + 1);
}

/* A string of octal digits: JSON has no octal numbers, and 600 must not pass for 0600. */
static void take_mode(struct check *c, const json_t *v, struct sl_control_request *r)
{
	const char *s = json_string_value(v);
	mode_t mode = 0;

	if (!s || strlen(s) < 3 || strlen(s) > 4 || strspn(s, "01234567") != strlen(s)) {
		fail(c, SL_CONTROL_INVALID,
			"mode must be a string of octal digits such as \"0660\"");
		return;
	}
	for (; *s; s++) {
		mode = mode * 8 + (mode_t)(*s - '0');
	}
	if (mode & ~(mode_t)0777) {
		fail(c, SL_CONTROL_INVALID, "mode must be at most \"0777\"");
		return;
	}
	r->mode = mode;
	r->has_mode = true;
}

static void take_limit(
	struct check *c, const char *key, const json_t *v, struct sl_control_limits *l)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(limit_keys); i++) {
		char *at = (char *)l + limit_keys[i].offset;
		uint64_t value;

		if (strcmp(key, limit_keys[i].key) != 0) {
			continue;
		}
		if (!take_uint(c, key, v, limit_keys[i].wide ? INT64_MAX : UINT32_MAX, &value)) {
			return;
		}
		if (limit_keys[i].wide) {
			*(uint64_t *)at = value;
		} else {
			*(uint32_t *)at = (uint32_t)value;
		}
		l->given |= limit_keys[i].bit;
		return;
	}
	fail(c, SL_CONTROL_INVALID, "unknown limit %s", key);
}

static void take_limits(struct check *c, json_t *v, struct sl_control_request *r)
{
	const char *key;
	json_t *value;

	if (!json_is_object(v)) {
		fail(c, SL_CONTROL_INVALID, "limits must be an object");
		return;
	}
	json_object_foreach(v, key, value)
	{
		take_limit(c, key, value, &r->limits);
	}
}

static void take_host_gl(struct check *c, const json_t *v, struct sl_control_request *r)
{
	const char *s = json_string_value(v);

	if (!s || (strcmp(s, "on") != 0 && strcmp(s, "core") != 0 && strcmp(s, "es") != 0)) {
		fail(c, SL_CONTROL_INVALID, "host_gl must be \"on\", \"core\" or \"es\"");
		return;
	}
	memcpy(r->host_gl, s, strlen(s) + 1);
}

/* uid and gid: -1 means "no change" to chown(), so it is no id. */
static void take_id(struct check *c, const char *key, const json_t *v, bool *ret_has, uint32_t *ret)
{
	uint64_t n;

	if (take_uint(c, key, v, UINT32_MAX - 1, &n)) {
		*ret = (uint32_t)n;
		*ret_has = true;
	}
}

static bool take_add_param(
	struct check *c, const char *key, json_t *v, struct sl_control_request *r)
{
	if (strcmp(key, "name") == 0) {
		take_name(c, key, v, r);
	} else if (strcmp(key, "uid") == 0) {
		take_id(c, key, v, &r->has_uid, &r->uid);
	} else if (strcmp(key, "gid") == 0) {
		take_id(c, key, v, &r->has_gid, &r->gid);
	} else if (strcmp(key, "mode") == 0) {
		take_mode(c, v, r);
	} else if (strcmp(key, "limits") == 0) {
		take_limits(c, v, r);
	} else if (strcmp(key, "ephemeral") == 0) {
		take_bool(c, key, v, &r->ephemeral);
	} else if (strcmp(key, "record") == 0) {
		take_bool(c, key, v, &r->record);
	} else if (strcmp(key, "host_gl") == 0) {
		take_host_gl(c, v, r);
	} else {
		return false;
	}
	return true;
}

static bool take_param(struct check *c, const char *key, json_t *v, struct sl_control_request *r)
{
	switch (r->method) {
	case SL_CONTROL_SESSION_LIST:
		if (strcmp(key, "domain") == 0) {
			take_name(c, key, v, r);
			return true;
		}
		return false;
	case SL_CONTROL_SESSION_KILL:
		if (strcmp(key, "session") == 0) {
			take_uint(c, key, v, INT64_MAX, &r->session);
			return true;
		}
		return false;
	case SL_CONTROL_DOMAIN_ADD:
		return take_add_param(c, key, v, r);
	case SL_CONTROL_DOMAIN_REMOVE:
	case SL_CONTROL_DOMAIN_USAGE:
		if (strcmp(key, "name") == 0) {
			take_name(c, key, v, r);
			return true;
		}
		return false;
	default:
		return false;
	}
}

static void check_required(struct check *c, const struct sl_control_request *r)
{
	switch (r->method) {
	case SL_CONTROL_SESSION_KILL:
		if (r->session == 0) {
			fail(c, SL_CONTROL_INVALID, "session.kill needs a session");
		}
		break;
	case SL_CONTROL_DOMAIN_ADD:
	case SL_CONTROL_DOMAIN_REMOVE:
	case SL_CONTROL_DOMAIN_USAGE:
		if (r->name[0] == '\0') {
			fail(c, SL_CONTROL_INVALID, "%s needs a name",
				sl_control_method_str(r->method));
		}
		break;
	default:
		break;
	}
}

static void take_method(struct check *c, const json_t *v, struct sl_control_request *r)
{
	const char *s = json_string_value(v);

	if (!s) {
		fail(c, SL_CONTROL_BAD_REQUEST, "method must be a string");
		return;
	}
	for (unsigned int i = 0; i < SL_CONTROL_N_METHODS; i++) {
		if (strcmp(s, sl_control_method_str((enum sl_control_method)i)) == 0) {
			r->method = (enum sl_control_method)i;
			return;
		}
	}
	fail(c, SL_CONTROL_UNKNOWN_METHOD, "unknown method %.64s", s);
}

static void take_params(struct check *c, json_t *params, struct sl_control_request *r)
{
	const char *key;
	json_t *v;

	if (c->code != SL_CONTROL_OK) {
		return;
	}
	if (params && !json_is_object(params)) {
		fail(c, SL_CONTROL_BAD_REQUEST, "params must be an object");
		return;
	}
	json_object_foreach(params, key, v)
	{
		if (!take_param(c, key, v, r)) {
			fail(c, SL_CONTROL_INVALID, "%s has no parameter %.64s",
				sl_control_method_str(r->method), key);
		}
	}
	check_required(c, r);
}

static void take_envelope(struct check *c, json_t *o, struct sl_control_request *r)
{
	json_t *id = json_object_get(o, "id"), *version = json_object_get(o, "v");
	const char *key;
	json_t *v;

	if (json_is_integer(id) || json_is_string(id)) {
		r->id = json_incref(id);
	} else {
		fail(c, SL_CONTROL_BAD_REQUEST, "id must be an integer or a string");
	}
	if (!json_is_integer(version)) {
		fail(c, SL_CONTROL_BAD_REQUEST, "v (the protocol's version) must be an integer");
	} else if (json_integer_value(version) != SL_CONTROL_VERSION) {
		/* Another version may have other keys: say so before judging them. */
		fail(c, SL_CONTROL_UNSUPPORTED_VERSION, "this broker speaks version %d",
			SL_CONTROL_VERSION);
	}
	json_object_foreach(o, key, v)
	{
		if (strcmp(key, "v") != 0 && strcmp(key, "id") != 0 && strcmp(key, "method") != 0 &&
			strcmp(key, "params") != 0) {
			fail(c, SL_CONTROL_BAD_REQUEST, "unknown key %.64s", key);
		}
	}
}

enum sl_control_code sl_control_parse_request(
	const char *line, size_t len, struct sl_control_request *ret, char **ret_error)
{
	struct check c = {};
	json_error_t je;
	json_t *o;

	*ret = (struct sl_control_request){};
	o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(o)) {
		fail(&c, SL_CONTROL_BAD_REQUEST, "a request must be one JSON object: %s",
			o ? "this is another value" : je.text);
	} else {
		take_envelope(&c, o, ret);
		if (c.code == SL_CONTROL_OK) {
			take_method(&c, json_object_get(o, "method"), ret);
		}
		take_params(&c, json_object_get(o, "params"), ret);
	}
	json_decref(o);
	if (c.code != SL_CONTROL_OK) {
		*ret_error = c.error;
	}
	return c.code;
}

void sl_control_request_fini(struct sl_control_request *r)
{
	json_decref(r->id);
	r->id = NULL;
}
