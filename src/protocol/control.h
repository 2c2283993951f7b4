/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

/*
 * The control protocol (docs/protocol-control.md): one JSON object a line, both ways. Everything
 * here is pure: text in, a validated struct out, or the reverse. No I/O, no globals.
 */
#define SL_CONTROL_VERSION 1

/* A request, its line feed included: domain.add with every limit is under 1 KiB. */
#define SL_CONTROL_REQUEST_MAX 65536u
/* A reply: a session is about 800 bytes of text, so this holds 20,000 of them. */
#define SL_CONTROL_REPLY_MAX (16u << 20)
/* A domain's name without its NUL, as ATTACH carries it; it is a folder's name as well. */
#define SL_CONTROL_NAME_MAX 63u

/* The domain of sessions that come through the shared socket. Nobody may add one of this name. */
#define SL_CONTROL_SHARED_DOMAIN "shared"

enum sl_control_method {
	SL_CONTROL_HELLO,
	SL_CONTROL_SESSION_LIST,
	SL_CONTROL_SESSION_KILL,
	SL_CONTROL_DOMAIN_LIST,
	SL_CONTROL_DOMAIN_ADD,
	SL_CONTROL_DOMAIN_REMOVE,
	SL_CONTROL_DOMAIN_USAGE,
	SL_CONTROL_SHUTDOWN,
	SL_CONTROL_N_METHODS,
};

enum sl_control_code {
	SL_CONTROL_OK = 0,
	SL_CONTROL_BAD_REQUEST,
	SL_CONTROL_UNSUPPORTED_VERSION,
	SL_CONTROL_UNKNOWN_METHOD,
	SL_CONTROL_INVALID,
	SL_CONTROL_NOT_FOUND,
	SL_CONTROL_EXISTS,
	SL_CONTROL_BUSY,
	SL_CONTROL_LIMIT,
	SL_CONTROL_DENIED,
	SL_CONTROL_FAILED,
	SL_CONTROL_N_CODES,
};

/* Which members of a struct sl_control_limits were given. */
enum {
	SL_CONTROL_LIMIT_MEM = 1u << 0,
	SL_CONTROL_LIMIT_RESOURCES = 1u << 1,
	SL_CONTROL_LIMIT_CONTEXTS = 1u << 2,
	SL_CONTROL_LIMIT_CMD = 1u << 3,
	SL_CONTROL_LIMIT_MESSAGE = 1u << 4,
	SL_CONTROL_LIMIT_SYNCS = 1u << 5,
	SL_CONTROL_LIMIT_SESSIONS = 1u << 6,
};

struct sl_control_limits {
	uint32_t given; /* SL_CONTROL_LIMIT_* */
	uint64_t mem_bytes;
	uint32_t resources, contexts, cmd_bytes, message_ms, syncs;
	uint32_t sessions; /* of the domain; the others are per session */
};

struct sl_control_request {
	json_t *id; /* an integer or a string; NULL when the line did not get that far */
	enum sl_control_method method;
	char name[SL_CONTROL_NAME_MAX + 1]; /* the domain, "" if none was given */
	uint64_t session;
	bool has_uid, has_gid, has_mode;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	struct sl_control_limits limits;
	bool ephemeral, record;
	char host_gl[8]; /* "on", "core", "es", or "": the broker's default */
};

/*
 * Parse and check one request, with or without its line feed. SL_CONTROL_OK, or the code of the
 * error reply, with *ret_error set to its message (the caller's). @ret is always valid to pass to
 * _fini, and has the id whenever one could be read. SL_CONTROL_BAD_REQUEST with no id means that
 * the line is no JSON object: the connection is then closed after the reply.
 */
enum sl_control_code sl_control_parse_request(
	const char *line, size_t len, struct sl_control_request *ret, char **ret_error);
void sl_control_request_fini(struct sl_control_request *r);

/*
 * One line with its line feed, NUL-terminated, the caller's; NULL when out of memory. @params and
 * @result are taken over, also on failure; @params may be NULL. @id is borrowed; NULL is null.
 */
char *sl_control_encode_request(int64_t id, const char *method, json_t *params);
char *sl_control_encode_result(const json_t *id, json_t *result);
char *sl_control_encode_error(const json_t *id, enum sl_control_code code, const char *message);

/*
 * Parse a reply to the request @id. 0 with *ret_result (a reference for the caller); -EPROTO when
 * it is no reply to that request; or a positive enum sl_control_code with *ret_error (the
 * caller's) when it is an error reply.
 */
int sl_control_parse_reply(
	const char *line, size_t len, int64_t id, json_t **ret_result, char **ret_error);

/* "not-found"; -EINVAL for a word that is no code. */
const char *sl_control_code_str(enum sl_control_code code);
int sl_control_code_parse(const char *s, enum sl_control_code *ret);

const char *sl_control_method_str(enum sl_control_method m);

/*
 * A domain's name: 1 to 63 of [A-Za-z0-9._-], beginning with a letter or a digit, so that it can
 * be a folder and an argument.
 */
bool sl_control_name_valid(const char *name);

/* A limits object of those members that are given. */
json_t *sl_control_limits_json(const struct sl_control_limits *l);

/* A JSON string of text from elsewhere: what is not UTF-8 becomes '?'; NULL becomes null. */
json_t *sl_control_text(const char *s);
