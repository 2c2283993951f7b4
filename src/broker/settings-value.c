/* SPDX-License-Identifier: MIT */
/* Values of configuration keys: strict, so that a typing error never passes for a value. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/settings-value.h"
#include "broker/settings.h"
#include "util/cleanup.h"

static int set_text(char **at, const char *value)
{
	char *copy = strdup(value);

	if (!copy) {
		return -ENOMEM;
	}
	free(*at);
	*at = copy;
	return 0;
}

static int add_text(char ***at, const char *value)
{
	size_t n = 0;
	char **grown, *copy;

	while (*at && (*at)[n]) {
		n++;
	}
	copy = strdup(value);
	grown = copy ? realloc(*at, (n + 2) * sizeof(*grown)) : NULL;
	if (!grown) {
		free(copy);
		return -ENOMEM;
	}
	grown[n] = copy;
	grown[n + 1] = NULL;
	*at = grown;
	return 0;
}

/* Is @value one of "a|b|c"? Its index, or -EINVAL. */
static int word_index(const char *words, const char *value)
{
	size_t len = strlen(value);
	int i = 0;

	if (len == 0 || strchr(value, '|')) {
		return -EINVAL;
	}
	for (const char *w = words; w; w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL, i++) {
		if (strncmp(w, value, len) == 0 && (w[len] == '|' || !w[len])) {
			return i;
		}
	}
	return -EINVAL;
}

static int parse_bool(const char *value, bool *ret)
{
	/* Pairs: yes, then no. */
	int i = word_index("on|off|yes|no|true|false|1|0", value);

	if (i < 0) {
		return i;
	}
	*ret = i % 2 == 0;
	return 0;
}

static int parse_uint(const char *value, uint64_t max, uint64_t *ret, const char **ret_end)
{
	unsigned long long v;
	char *end;

	if (*value < '0' || *value > '9') {
		return -EINVAL;
	}
	errno = 0;
	v = strtoull(value, &end, 10);
	if (errno == ERANGE || v > max || (*end && !ret_end)) {
		return -EINVAL;
	}
	if (ret_end) {
		*ret_end = end;
	}
	*ret = v;
	return 0;
}

static int parse_size(const char *value, uint64_t max, uint64_t *ret)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *end, *u;
	uint64_t v;
	int r;

	r = parse_uint(value, max, &v, &end);
	if (r < 0) {
		return r;
	}
	u = *end ? strchr(units, *end) : NULL;
	if (*end && (!u || end[1])) {
		return -EINVAL;
	}
	if (u) {
		shift = (unsigned int)(u - units + 1) * 10;
	}
	if (v > max >> shift) {
		return -EINVAL;
	}
	*ret = v << shift;
	return 0;
}

static int parse_mode(const char *value, mode_t *ret)
{
	size_t len = strlen(value);

	if (len < 3 || len > 4 || strspn(value, "01234567") != len || (len == 4 && *value != '0')) {
		return -EINVAL;
	}
	*ret = (mode_t)strtoul(value, NULL, 8);
	return 0;
}

static int parse_threads(const char *value, uint64_t max, int *ret)
{
	uint64_t n;

	if (strcmp(value, "auto") == 0) {
		*ret = -1;
		return 0;
	}
	if (parse_uint(value, max, &n, NULL) < 0) {
		return -EINVAL;
	}
	*ret = (int)n;
	return 0;
}

static int set_number(const struct sl_key *k, void *at, const char *value)
{
	bool size = k->kind == SL_KEY_SIZE || k->kind == SL_KEY_SIZE32;
	uint64_t v;
	int r;

	r = size ? parse_size(value, k->max, &v) : parse_uint(value, k->max, &v, NULL);
	if (r < 0) {
		return r;
	}
	if (k->kind == SL_KEY_UINT32 || k->kind == SL_KEY_SIZE32) {
		*(uint32_t *)at = (uint32_t)v;
	} else {
		*(uint64_t *)at = v;
	}
	return 0;
}

int sl_key_set(const struct sl_key *k, void *at, const char *value)
{
	int i;

	switch (k->kind) {
	case SL_KEY_PATH:
	case SL_KEY_TEXT:
		return *value ? set_text(at, value) : -EINVAL;
	case SL_KEY_LIST:
		return *value ? add_text(at, value) : -EINVAL;
	case SL_KEY_BOOL:
		return parse_bool(value, at);
	case SL_KEY_MODE:
		return parse_mode(value, at);
	case SL_KEY_WORD:
		return word_index(k->words, value) < 0 ? -EINVAL : set_text(at, value);
	case SL_KEY_CGROUP:
		i = word_index(k->words, value);
		if (i >= 0) {
			*(enum sl_config_cgroup *)at = (enum sl_config_cgroup)i;
		}
		return i < 0 ? i : 0;
	case SL_KEY_LEVEL:
		return sl_log_level_parse(value, at);
	case SL_KEY_THREADS:
		return parse_threads(value, k->max, at);
	default:
		return set_number(k, at, value);
	}
}
