/* SPDX-License-Identifier: MIT */
/* --limit mem=512M,sessions=4: the short words of the command line, the long ones of the wire. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
	const char *word, *key;
	bool is_size;
	uint64_t max;
} limits_table[] = {
	{ "mem", "mem_bytes", true, INT64_MAX },
	{ "cmd", "cmd_bytes", true, UINT32_MAX },
	{ "resources", "resources", false, UINT32_MAX },
	{ "contexts", "contexts", false, UINT32_MAX },
	{ "syncs", "syncs", false, UINT32_MAX },
	{ "sessions", "sessions", false, UINT32_MAX },
	{ "message", "message_ms", false, UINT32_MAX },
};

static int set_error(char **ret_error, const char *word, const char *cause)
{
	if (asprintf(ret_error,
		    "%s: %s: give --limit a list such as mem=512M,sessions=4 (words: mem, cmd, "
		    "resources, contexts, syncs, sessions, message)",
		    word, cause) < 0) {
		*ret_error = NULL;
		return -ENOMEM;
	}
	return -EINVAL;
}

static int parse_one(const char *item, json_t *limits, char **ret_error)
{
	const char *value = strchr(item, '=');

	for (size_t i = 0; value && i < SL_ARRAY_LEN(limits_table); i++) {
		size_t len = (size_t)(value - item);
		uint64_t n;
		int r;

		if (strlen(limits_table[i].word) != len ||
			strncmp(item, limits_table[i].word, len) != 0) {
			continue;
		}
		r = limits_table[i].is_size ? sl_cli_parse_size(value + 1, &n)
					    : sl_cli_parse_uint(value + 1, limits_table[i].max, &n);
		if (r < 0 || n > limits_table[i].max) {
			return set_error(
				ret_error, item, r == -EINVAL ? "no number" : "number too large");
		}
		return json_object_set_new(
			       limits, limits_table[i].key, json_integer((json_int_t)n)) < 0
			       ? -ENOMEM
			       : 0;
	}
	return set_error(ret_error, item, value ? "unknown limit" : "no value");
}

int sl_cli_parse_limits(const char *s, json_t **limits, char **ret_error)
{
	_cleanup_free_ char *copy = strdup(s);
	char *save = NULL;

	*ret_error = NULL;
	if (!*limits) {
		*limits = json_object();
	}
	if (!copy || !*limits) {
		return -ENOMEM;
	}
	if (*s == '\0') {
		return set_error(ret_error, "--limit", "empty");
	}
	for (char *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		int r = parse_one(item, *limits, ret_error);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}
