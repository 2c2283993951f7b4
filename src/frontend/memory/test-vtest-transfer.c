/* SPDX-License-Identifier: MIT */
/* Inline transfers, command buffers, and the waits for them. */
#include <poll.h>

#include "frontend/memory/test-vtest.h"

static void create_v0(uint32_t handle, uint32_t w, uint32_t h)
{
	SEND(SL_VTEST_RESOURCE_CREATE, handle, TARGET_2D, R8G8B8A8, 2, w, h, 1, 1, 0, 0);
	run_ok();
	expect_nothing();
}

static void test_inline_get(void **state)
{
	uint8_t data[1024];

	start_at(0);
	create_v0(7, 16, 16);
	SEND(SL_VTEST_TRANSFER_GET, 7, 0, 0, 0, 0, 0, 0, 16, 16, 1, 1024);
	run_ok();
	assert_int_equal(get(data, sizeof(data)), 1024);
	for (int i = 0; i < 1024; i++) {
		assert_int_equal(data[i], i & 0xff);
	}
	expect_nothing();
}

static void test_inline_put(void **state)
{
	uint8_t body[44 + 1023] = {};

	start_at(0);
	create_v0(7, 16, 16);
	memcpy(body, (uint32_t[]){ 7, 0, 0, 0, 0, 0, 0, 16, 15, 1, 1023 }, 44);
	sl_vtest_rig_send_raw(&rig, 11 + 256, SL_VTEST_TRANSFER_PUT, body, sizeof(body));
	/* An odd length: what follows is not aligned in the stream. */
	SEND(SL_VTEST_SUBMIT_CMD, 1, 2, 3);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 0);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	assert_int_equal(faults(), 0);
}

/* What is owed is owed: exactly as many bytes as were asked for, zeros when nothing can be read. */
static void test_inline_get_that_is_refused(void **state)
{
	static uint8_t data[70000];
	size_t n = 0, got;

	start_at(0);
	create_v0(7, 16, 16);
	SEND(SL_VTEST_TRANSFER_GET, 7, 0, 0, 0, 0, 0, 0, 16, 17, 1, 1088);
	SEND(SL_VTEST_TRANSFER_GET, 9, 0, 0, 0, 0, 0, 0, 16, 16, 1, sizeof(data));
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 0);
	run_ok();
	assert_int_equal(get(data, 1088), 1088);
	memset(data, 1, sizeof(data));
	while (n < sizeof(data) && (got = get(data + n, sizeof(data) - n)) > 0) {
		n += got;
	}
	assert_int_equal(n, sizeof(data));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(data[i], 0);
	}
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
}

/* An upload larger than its resource is thrown away as it comes, and framing survives. */
static void test_inline_put_that_is_refused(void **state)
{
	static uint8_t chunk[10000];
	uint64_t before;

	start_at(0);
	create_v0(7, 16, 16);
	before = used_bytes();
	sl_vtest_rig_send_raw(&rig, 11, SL_VTEST_TRANSFER_PUT,
		(uint32_t[]){ 7, 0, 0, 0, 0, 0, 0, 16, 16, 1, 100 * sizeof(chunk) }, 44);
	for (int i = 0; i < 100; i++) {
		sl_memory_write(rig.client, chunk, sizeof(chunk));
		if (i % 7 == 0) {
			run_ok();
			assert_int_equal(used_bytes(), before);
		}
	}
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 0);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	assert_int_equal(faults(), 1);
}

static void test_submit(void **state)
{
	struct sl_session_stats s;

	start_at(2);
	SEND(SL_VTEST_SUBMIT_CMD, 0, 0, 0);
	SEND(SL_VTEST_SUBMIT_CMD);
	run_ok();
	expect_nothing();
	sl_session_stats(rig.session, &s);
	assert_int_equal(s.submits, 1);
}

static void test_submit_larger_than_the_buffer(void **state)
{
	static uint32_t cmd[100000];
	uint64_t before;

	start_at(2);
	create2(1, 1, 1, 0);
	before = used_bytes();
	sl_vtest_rig_send(&rig, SL_VTEST_SUBMIT_CMD, cmd, SL_ARRAY_LEN(cmd));
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 0, 0);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	assert_int_equal(used_bytes(), before);
}

static void test_submit_above_the_limit(void **state)
{
	start_at(2);
	sl_vtest_rig_send_raw(&rig, SL_LIMIT_CMD_BYTES / 4 + 1, SL_VTEST_SUBMIT_CMD, NULL, 0);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_LIMIT));
}

static void test_busy_wait_is_a_continuation(void **state)
{
	start_async(2);
	create2(7, 16, 16, 0);
	SEND(SL_VTEST_SUBMIT_CMD, 0, 0);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 1);
	SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	expect_nothing();
	assert_int_equal(sl_vtest_events(rig.vtest), 0);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	expect_nothing();
	sl_session_poll(rig.session);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0, 0, SL_VTEST_PING_PROTOCOL_VERSION);
	assert_int_equal(sl_vtest_events(rig.vtest), POLLIN);
}

static void test_freed_while_waiting(void **state)
{
	start_async(2);
	create2(7, 16, 16, 0);
	SEND(SL_VTEST_SUBMIT_CMD, 0, 0);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 1);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	assert_int_equal(sl_vtest_events(rig.vtest), 0);
}

static void test_busy_wait_of_strangers(void **state)
{
	start_at(2);
	SEND(SL_VTEST_SUBMIT_CMD, 0);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 99, 1);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 99, 0);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 0, 1);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 0, UINT32_MAX);
	run_ok();
	for (int i = 0; i < 4; i++) {
		EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	}
	assert_int_equal(faults(), 2);
}

static void test_async_inline_get_waits_for_its_data(void **state)
{
	uint8_t data[1024];

	start_async(0);
	SEND(SL_VTEST_RESOURCE_CREATE, 7, TARGET_2D, R8G8B8A8, 2, 16, 16, 1, 1, 0, 0);
	SEND(SL_VTEST_TRANSFER_GET, 7, 0, 0, 0, 0, 0, 0, 16, 16, 1, 1024);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	expect_nothing();
	run_ok();
	assert_int_equal(get(data, sizeof(data)), 1024);
	assert_int_equal(data[1023], 1023 & 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_inline_get),
		T(test_inline_put),
		T(test_inline_get_that_is_refused),
		T(test_inline_put_that_is_refused),
		T(test_submit),
		T(test_submit_larger_than_the_buffer),
		T(test_submit_above_the_limit),
		T(test_busy_wait_is_a_continuation),
		T(test_freed_while_waiting),
		T(test_busy_wait_of_strangers),
		T(test_async_inline_get_waits_for_its_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
