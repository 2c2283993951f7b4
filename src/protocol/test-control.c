/* SPDX-License-Identifier: MIT */
/* The control protocol's codec. */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/control.h"
#include "util/cleanup.h"

static enum sl_control_code parse(const char *line, struct sl_control_request *r)
{
	char *error = NULL;
	enum sl_control_code code = sl_control_parse_request(line, strlen(line), r, &error);

	if (code == SL_CONTROL_OK) {
		assert_null(error);
	} else {
		assert_non_null(error);
	}
	free(error);
	return code;
}

static enum sl_control_code code_of(const char *line)
{
	struct sl_control_request r;
	enum sl_control_code code = parse(line, &r);

	sl_control_request_fini(&r);
	return code;
}

static void test_every_member_of_domain_add(void **state)
{
	struct sl_control_request r;

	assert_int_equal(parse("{\"v\":1,\"id\":7,\"method\":\"domain.add\",\"params\":{"
			       "\"name\":\"web-1.a_b\",\"uid\":5,\"gid\":6,\"mode\":\"0640\","
			       "\"ephemeral\":true,\"record\":false,\"host_gl\":\"es\","
			       "\"limits\":{\"mem_bytes\":8589934592,\"resources\":1,"
			       "\"contexts\":2,\"cmd_bytes\":3,\"message_ms\":4,\"syncs\":5,"
			       "\"sessions\":6}}}",
				 &r),
		SL_CONTROL_OK);
	assert_int_equal(r.method, SL_CONTROL_DOMAIN_ADD);
	assert_int_equal(json_integer_value(r.id), 7);
	assert_string_equal(r.name, "web-1.a_b");
	assert_true(r.has_uid && r.uid == 5 && r.has_gid && r.gid == 6);
	assert_true(r.has_mode && r.mode == 0640);
	assert_true(r.ephemeral && !r.record);
	assert_string_equal(r.host_gl, "es");
	assert_true(r.limits.mem_bytes == 8589934592ull);
	assert_int_equal(r.limits.resources, 1);
	assert_int_equal(r.limits.contexts, 2);
	assert_int_equal(r.limits.cmd_bytes, 3);
	assert_int_equal(r.limits.message_ms, 4);
	assert_int_equal(r.limits.syncs, 5);
	assert_int_equal(r.limits.sessions, 6);
	assert_int_equal(r.limits.given, 0x7f);
	sl_control_request_fini(&r);
}

static void test_left_out_is_not_given(void **state)
{
	struct sl_control_request r;

	assert_int_equal(parse("{\"v\":1,\"id\":\"x\",\"method\":\"domain.add\","
			       "\"params\":{\"name\":\"a\"}}\n",
				 &r),
		SL_CONTROL_OK);
	assert_false(r.has_uid || r.has_gid || r.has_mode || r.ephemeral || r.record);
	assert_int_equal(r.limits.given, 0);
	assert_string_equal(r.host_gl, "");
	sl_control_request_fini(&r);
}

static void test_every_method_by_name(void **state)
{
	for (unsigned int i = 0; i < SL_CONTROL_N_METHODS; i++) {
		json_t *params = NULL;
		struct sl_control_request r;
		char *line;

		if (i == SL_CONTROL_SESSION_KILL) {
			params = json_pack("{s:i}", "session", 1);
		} else if (i == SL_CONTROL_DOMAIN_ADD || i == SL_CONTROL_DOMAIN_REMOVE ||
			   i == SL_CONTROL_DOMAIN_USAGE) {
			params = json_pack("{s:s}", "name", "a");
		}
		line = sl_control_encode_request(1, sl_control_method_str(i), params);
		assert_int_equal(line[strlen(line) - 1], '\n');
		assert_int_equal(parse(line, &r), SL_CONTROL_OK);
		assert_int_equal(r.method, i);
		sl_control_request_fini(&r);
		free(line);
	}
}

static void test_what_is_no_request(void **state)
{
	static const char *const lines[] = { "", "\n", "x", "[]", "1", "null", "{", "{}",
		"{\"v\":1,\"id\":1,\"method\":\"hello\"} x",
		"{\"v\":1,\"id\":1,\"id\":2,\"method\":\"hello\"}",
		"{\"v\":1,\"id\":1.5,\"method\":\"hello\"}",
		"{\"v\":1,\"id\":null,\"method\":\"hello\"}",
		"{\"v\":1.0,\"id\":1,\"method\":\"hello\"}",
		"{\"v\":\"1\",\"id\":1,\"method\":\"hello\"}", "{\"id\":1,\"method\":\"hello\"}",
		"{\"v\":1,\"id\":1,\"method\":1}", "{\"v\":1,\"id\":1}",
		"{\"v\":1,\"id\":1,\"method\":\"hello\",\"parms\":{}}",
		"{\"v\":1,\"id\":1,\"method\":\"hello\",\"params\":null}",
		"{\"v\":1,\"id\":1,\"method\":\"hello\",\"params\":[]}",
		"{\"v\":1,\"id\":1,\"method\":\"he\\u0000llo\"}",
		"{\"v\":1,\"id\":1,\"method\":\"\xff\"}" };

	for (size_t i = 0; i < SL_ARRAY_LEN(lines); i++) {
		assert_int_equal(code_of(lines[i]), SL_CONTROL_BAD_REQUEST);
	}
}

static void test_codes(void **state)
{
	assert_int_equal(code_of("{\"v\":2,\"id\":1,\"method\":\"hello\",\"new\":1}"),
		SL_CONTROL_UNSUPPORTED_VERSION);
	assert_int_equal(
		code_of("{\"v\":1,\"id\":1,\"method\":\"fly\"}"), SL_CONTROL_UNKNOWN_METHOD);
	assert_int_equal(
		code_of("{\"v\":1,\"id\":1,\"method\":\"hello\",\"params\":{\"name\":\"a\"}}"),
		SL_CONTROL_INVALID);
	assert_int_equal(
		code_of("{\"v\":1,\"id\":1,\"method\":\"session.kill\"}"), SL_CONTROL_INVALID);
	assert_int_equal(code_of("{\"v\":1,\"id\":1,\"method\":\"session.kill\",\"params\":{"
				 "\"session\":-1}}"),
		SL_CONTROL_INVALID);
	assert_int_equal(
		code_of("{\"v\":1,\"id\":1,\"method\":\"domain.remove\"}"), SL_CONTROL_INVALID);
}

static void test_names(void **state)
{
	char longest[SL_CONTROL_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	longest[SL_CONTROL_NAME_MAX] = '\0';
	assert_true(sl_control_name_valid(longest));
	longest[SL_CONTROL_NAME_MAX] = 'a';
	longest[SL_CONTROL_NAME_MAX + 1] = '\0';
	assert_false(sl_control_name_valid(longest));
	assert_true(sl_control_name_valid("7"));
	assert_true(sl_control_name_valid("a.b-c_D9"));
	assert_false(sl_control_name_valid(""));
	assert_false(sl_control_name_valid("."));
	assert_false(sl_control_name_valid(".."));
	assert_false(sl_control_name_valid("-a"));
	assert_false(sl_control_name_valid("_a"));
	assert_false(sl_control_name_valid("a/b"));
	assert_false(sl_control_name_valid("a b"));
	assert_false(sl_control_name_valid("a\n"));
	assert_false(sl_control_name_valid("\xc3\xa4"));
}

static void test_result_round_trip(void **state)
{
	json_t *id = json_integer(9), *result;
	char *line = sl_control_encode_result(id, json_pack("{s:i}", "a", 1)), *error = NULL;

	assert_int_equal(sl_control_parse_reply(line, strlen(line), 9, &result, &error), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "a")), 1);
	json_decref(result);
	assert_int_equal(sl_control_parse_reply(line, strlen(line), 8, &result, &error), -EPROTO);
	free(line);
	line = sl_control_encode_result(id, NULL);
	assert_int_equal(sl_control_parse_reply(line, strlen(line), 9, &result, &error), 0);
	assert_int_equal(json_object_size(result), 0);
	json_decref(result);
	free(line);
	json_decref(id);
}

static void test_error_round_trip(void **state)
{
	json_t *id = json_integer(9), *result = NULL;

	for (unsigned int i = SL_CONTROL_OK + 1; i < SL_CONTROL_N_CODES; i++) {
		char *error = NULL, *line = sl_control_encode_error(id, i, "why\n\xff");

		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		assert_int_equal(
			sl_control_parse_reply(line, strlen(line), 9, &result, &error), (int)i);
		assert_string_equal(error, "why\n?");
		assert_null(result);
		free(error);
		free(line);
	}
	json_decref(id);
}

static void test_replies_that_are_none(void **state)
{
	static const char *const lines[] = { "", "x", "[]", "{}", "{\"v\":1,\"id\":1}",
		"{\"v\":2,\"id\":1,\"result\":{}}", "{\"v\":1,\"id\":2,\"result\":{}}",
		"{\"v\":1,\"id\":1,\"result\":[]}", "{\"v\":1,\"id\":1,\"result\":{},\"error\":{}}",
		"{\"v\":1,\"id\":1,\"error\":{}}", "{\"v\":1,\"id\":1,\"error\":{\"code\":\"x\"}}",
		"{\"v\":1,\"id\":null,\"result\":{}}" };

	for (size_t i = 0; i < SL_ARRAY_LEN(lines); i++) {
		json_t *result = NULL;
		char *error = NULL;

		assert_int_equal(
			sl_control_parse_reply(lines[i], strlen(lines[i]), 1, &result, &error),
			-EPROTO);
		assert_null(result);
		assert_null(error);
	}
}

static void test_code_of_a_later_version(void **state)
{
	const char *line = "{\"v\":1,\"id\":1,\"error\":{\"code\":\"new\",\"message\":\"m\"}}";
	json_t *result = NULL;
	char *error = NULL;

	assert_int_equal(
		sl_control_parse_reply(line, strlen(line), 1, &result, &error), SL_CONTROL_FAILED);
	assert_string_equal(error, "m");
	free(error);
}

static void test_text_of_any_bytes(void **state)
{
	json_t *j = sl_control_text("a\xff\x80z");

	assert_string_equal(json_string_value(j), "a??z");
	json_decref(j);
	j = sl_control_text("\xc3\xa4");
	assert_string_equal(json_string_value(j), "\xc3\xa4");
	json_decref(j);
	assert_true(json_is_null(sl_control_text(NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member_of_domain_add),
		cmocka_unit_test(test_left_out_is_not_given),
		cmocka_unit_test(test_every_method_by_name),
		cmocka_unit_test(test_what_is_no_request),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_result_round_trip),
		cmocka_unit_test(test_error_round_trip),
		cmocka_unit_test(test_replies_that_are_none),
		cmocka_unit_test(test_code_of_a_later_version),
		cmocka_unit_test(test_text_of_any_bytes),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
