/* SPDX-License-Identifier: MIT */
/* The handshake, caps and contexts. */
#include "frontend/memory/test-vtest.h"

static void test_handshake_as_mesa_sends_it(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	start(&o);
	sl_vtest_rig_send_raw(&rig, 8, SL_VTEST_CREATE_RENDERER, "glmark2", 8);
	SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 0, 0);
	run_ok();
	assert_int_equal(sl_memory_sends(rig.client), 1);
	EXPECT(0, SL_VTEST_PING_PROTOCOL_VERSION, 1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	SEND(SL_VTEST_PROTOCOL_VERSION, 3);
	run_ok();
	EXPECT(1, SL_VTEST_PROTOCOL_VERSION, 3);
	SEND(SL_VTEST_PROTOCOL_VERSION, 2);
	run_ok();
	EXPECT(1, SL_VTEST_PROTOCOL_VERSION, 2);
	expect_nothing();
}

static void test_versions(void **state)
{
	static const uint32_t asked[] = { 0, 1, 2, 3, 4, UINT32_MAX };
	static const uint32_t given[] = { 0, 0, 2, 3, 3, 3 };
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, 0), 0);
	for (size_t i = 0; i < SL_ARRAY_LEN(asked); i++) {
		SEND(SL_VTEST_PROTOCOL_VERSION, asked[i]);
		run_ok();
		EXPECT(1, SL_VTEST_PROTOCOL_VERSION, given[i]);
	}
}

static void test_nothing_before_create_renderer(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	start(&o);
	SEND(SL_VTEST_GET_CAPS);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_INVALID));
	assert_int_equal(sl_vtest_events(rig.vtest), 0);
	assert_int_equal(sl_vtest_run(rig.vtest), FAULT(SL_FAULT_INVALID));
}

static void test_create_renderer_twice(void **state)
{
	start_at(2);
	sl_vtest_rig_send_raw(&rig, 2, SL_VTEST_CREATE_RENDERER, "x", 2);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_INVALID));
}

static void test_commands_of_a_later_version(void **state)
{
	start_at(0);
	send_create2(1, 16, 16, 1024);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_UNSUPPORTED));
}

static void test_version_4_is_unsupported(void **state)
{
	start_at(3);
	SEND(SL_VTEST_DRM_SYNC_CREATE, 0);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_UNSUPPORTED));
}

static void test_caps(void **state)
{
	uint8_t reply[2048];
	uint32_t h[2];

	start_at(2);
	SEND(SL_VTEST_GET_CAPS2);
	SEND(SL_VTEST_GET_CAPS);
	run_ok();
	assert_int_equal(get(h, 8), 8);
	assert_int_equal(h[1], 2);
	assert_true(h[0] > 1 && h[0] < sizeof(reply));
	assert_int_equal(get(reply, h[0] - 1), h[0] - 1);
	assert_int_equal(get(h, 8), 8);
	assert_int_equal(h[1], 1);
	assert_int_equal(get(reply, h[0] - 1), h[0] - 1);
	expect_nothing();
}

static void test_get_param_claims_nothing(void **state)
{
	start_at(3);
	for (uint32_t p = 0; p < 4; p++) {
		SEND(SL_VTEST_GET_PARAM, p);
		run_ok();
		EXPECT(2, SL_VTEST_GET_PARAM, 0, 0);
	}
}

static void test_get_capset(void **state)
{
	uint8_t reply[2048];
	uint32_t h[3];

	start_at(3);
	SEND(SL_VTEST_GET_CAPSET, 2, 1);
	run_ok();
	assert_int_equal(get(h, 12), 12);
	assert_true(h[1] == SL_VTEST_GET_CAPSET && h[2] == 1 && h[0] > 1);
	assert_int_equal(get(reply, (h[0] - 1) * 4), (h[0] - 1) * 4);
	expect_nothing();
	SEND(SL_VTEST_GET_CAPSET, 4, 0);
	SEND(SL_VTEST_GET_CAPSET, 2, 99);
	SEND(SL_VTEST_GET_CAPSET, UINT32_MAX, UINT32_MAX);
	run_ok();
	for (int i = 0; i < 3; i++) {
		EXPECT(1, SL_VTEST_GET_CAPSET, 0);
	}
}

static void test_context_init(void **state)
{
	start_at(3);
	SEND(SL_VTEST_CONTEXT_INIT, 2);
	run_ok();
	expect_nothing();
	SEND(SL_VTEST_CONTEXT_INIT, 2);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_INVALID));
}

static void test_context_init_of_a_capset_we_lack(void **state)
{
	start_at(3);
	SEND(SL_VTEST_CONTEXT_INIT, 4);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_UNSUPPORTED));
}

static void test_context_init_too_late(void **state)
{
	start_at(3);
	SEND(SL_VTEST_SUBMIT_CMD, 0);
	SEND(SL_VTEST_CONTEXT_INIT, 2);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_INVALID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_handshake_as_mesa_sends_it),
		T(test_versions),
		T(test_nothing_before_create_renderer),
		T(test_create_renderer_twice),
		T(test_commands_of_a_later_version),
		T(test_version_4_is_unsupported),
		T(test_caps),
		T(test_get_param_claims_nothing),
		T(test_get_capset),
		T(test_context_init),
		T(test_context_init_of_a_capset_we_lack),
		T(test_context_init_too_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
