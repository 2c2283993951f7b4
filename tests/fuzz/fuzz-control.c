/* SPDX-License-Identifier: MIT */
/*
 * Lines of the control protocol, as requests and as replies. A request that passes must hold only
 * what its checks promise, and its limits must survive the way out and in again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct sl_control_request *r)
{
	json_t *limits = sl_control_limits_json(&r->limits);

	if (!json_is_integer(r->id) && !json_is_string(r->id)) {
		abort();
	}
	if (*r->name && !sl_control_name_valid(r->name)) {
		abort();
	}
	if (r->mode > 0777 || (unsigned int)r->method >= SL_CONTROL_N_METHODS) {
		abort();
	}
	if (json_object_size(limits) != (size_t)__builtin_popcount(r->limits.given)) {
		abort();
	}
	json_decref(limits);
}

static void check_reply(const json_t *id, enum sl_control_code code, const char *error)
{
	char *line = sl_control_encode_error(id, code, error), *lf = strchr(line, '\n');

	if (!lf || lf[1]) {
		abort();
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_control_request r;
	enum sl_control_code code;
	json_t *result = NULL;
	char *error = NULL;

	code = sl_control_parse_request((const char *)data, size, &r, &error);
	if (code == SL_CONTROL_OK) {
		check_request(&r);
	} else {
		check_reply(r.id, code, error);
	}
	free(error);
	sl_control_request_fini(&r);

	error = NULL;
	sl_control_parse_reply((const char *)data, size, 1, &result, &error);
	free(error);
	json_decref(result);
	return 0;
}
