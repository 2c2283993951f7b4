/* SPDX-License-Identifier: MIT */
/*
 * The control protocol's words, and its lines on the way out (docs/protocol-control.md). Requests
 * are read in control-request.c; replies, which only tools read, here.
 */
#include <errno.h>
#include <string.h>

#include "protocol/control.h"
#include "util/cleanup.h"

static const char *const method_names[SL_CONTROL_N_METHODS] = {
	[SL_CONTROL_HELLO] = "hello",
	[SL_CONTROL_SESSION_LIST] = "session.list",
	[SL_CONTROL_SESSION_KILL] = "session.kill",
	[SL_CONTROL_DOMAIN_LIST] = "domain.list",
	[SL_CONTROL_DOMAIN_ADD] = "domain.add",
	[SL_CONTROL_DOMAIN_REMOVE] = "domain.remove",
	[SL_CONTROL_DOMAIN_USAGE] = "domain.usage",
	[SL_CONTROL_SHUTDOWN] = "shutdown",
};

static const char *const code_names[SL_CONTROL_N_CODES] = {
	[SL_CONTROL_OK] = "ok",
	[SL_CONTROL_BAD_REQUEST] = "bad-request",
	[SL_CONTROL_UNSUPPORTED_VERSION] = "unsupported-version",
	[SL_CONTROL_UNKNOWN_METHOD] = "unknown-method",
	[SL_CONTROL_INVALID] = "invalid",
	[SL_CONTROL_NOT_FOUND] = "not-found",
	[SL_CONTROL_EXISTS] = "exists",
	[SL_CONTROL_BUSY] = "busy",
	[SL_CONTROL_LIMIT] = "limit",
	[SL_CONTROL_DENIED] = "denied",
	[SL_CONTROL_FAILED] = "failed",
};

const char *sl_control_code_str(enum sl_control_code code)
{
	return (unsigned int)code < SL_CONTROL_N_CODES ? code_names[code] : "failed";
}

int sl_control_code_parse(const char *s, enum sl_control_code *ret)
{
	for (unsigned int i = SL_CONTROL_OK + 1; i < SL_CONTROL_N_CODES; i++) {
		if (strcmp(s, code_names[i]) == 0) {
			*ret = (enum sl_control_code)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *sl_control_method_str(enum sl_control_method m)
{
	return (unsigned int)m < SL_CONTROL_N_METHODS ? method_names[m] : "?";
}

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool sl_control_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > SL_CONTROL_NAME_MAX || !alnum(name[0])) {
		return false;
	}
	for (size_t i = 1; i < len; i++) {
		if (!alnum(name[i]) && !strchr("._-", name[i])) {
			return false;
		}
	}
	return true;
}

json_t *sl_control_text(const char *s)
{
	_cleanup_free_ char *copy = NULL;
	json_t *j;

	if (!s) {
		return json_null();
	}
	j = json_string(s);
	if (j) {
		return j;
	}
	copy = strdup(s);
	if (!copy) {
		return json_null();
	}
	for (char *p = copy; *p; p++) {
		if ((unsigned char)*p >= 0x80) {
			*p = '?';
		}
	}
	j = json_string(copy);
	return j ? j : json_null();
}

/* Takes @o over. */
static char *dump_line(json_t *o)
{
	_cleanup_free_ char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	char *line;

	json_decref(o);
	if (!text || asprintf(&line, "%s\n", text) < 0) {
		return NULL;
	}
	return line;
}

char *sl_control_encode_request(int64_t id, const char *method, json_t *params)
{
	return dump_line(json_pack("{s:i, s:I, s:s, s:o*}", "v", SL_CONTROL_VERSION, "id",
		(json_int_t)id, "method", method, "params", params));
}

char *sl_control_encode_result(const json_t *id, json_t *result)
{
	return dump_line(json_pack("{s:i, s:O?, s:o}", "v", SL_CONTROL_VERSION, "id", id, "result",
		result ? result : json_object()));
}

char *sl_control_encode_error(const json_t *id, enum sl_control_code code, const char *message)
{
	json_t *error = json_pack("{s:s, s:o}", "code", sl_control_code_str(code), "message",
		sl_control_text(message ? message : "out of memory"));

	if (code == SL_CONTROL_UNSUPPORTED_VERSION && error) {
		json_object_set_new(error, "supported", json_pack("[i]", SL_CONTROL_VERSION));
	}
	return dump_line(
		json_pack("{s:i, s:O?, s:o}", "v", SL_CONTROL_VERSION, "id", id, "error", error));
}

static int parse_error(json_t *error, char **ret_error)
{
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	enum sl_control_code c;

	if (!code || !message) {
		return -EPROTO;
	}
	/* A later broker may have codes that we do not know. */
	if (sl_control_code_parse(code, &c) < 0) {
		c = SL_CONTROL_FAILED;
	}
	*ret_error = strdup(message);
	return *ret_error ? (int)c : -ENOMEM;
}

int sl_control_parse_reply(
	const char *line, size_t len, int64_t id, json_t **ret_result, char **ret_error)
{
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *result = json_object_get(o, "result"), *error = json_object_get(o, "error");
	json_t *got_id = json_object_get(o, "id");
	/* A line that the broker could not read is answered with a null id. */
	bool ours = (json_is_integer(got_id) && json_integer_value(got_id) == id) ||
		    (json_is_null(got_id) && error);
	int r = -EPROTO;

	if (ours && json_integer_value(json_object_get(o, "v")) == SL_CONTROL_VERSION) {
		if (json_is_object(error) && !result) {
			r = parse_error(error, ret_error);
		} else if (json_is_object(result) && !error) {
			*ret_result = json_incref(result);
			r = 0;
		}
	}
	json_decref(o);
	return r;
}
