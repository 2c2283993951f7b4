/* SPDX-License-Identifier: MIT */
/* Sync objects, their waits, and the submissions that signal them. */
#include <poll.h>

#include "frontend/memory/test-vtest.h"

static uint32_t sync_create(uint32_t value)
{
	uint32_t r[3] = {};

	SEND(SL_VTEST_SYNC_CREATE, value, 0);
	run_ok();
	assert_int_equal(get(r, 12), 12);
	assert_true(r[0] == 1 && r[1] == SL_VTEST_SYNC_CREATE);
	return r[2];
}

/* The eventfd of a wait; -1 if it was refused. */
static int sync_wait(uint32_t flags, uint32_t timeout, const uint32_t *points, size_t n)
{
	uint32_t w[2 + 3 * 8] = { flags, timeout };

	memcpy(w + 2, points, n * 12);
	sl_vtest_rig_send(&rig, SL_VTEST_SYNC_WAIT, w, 2 + 3 * n);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	EXPECT(0, SL_VTEST_SYNC_WAIT);
	return expect_fd();
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static void test_sync_values(void **state)
{
	uint32_t id;

	start_at(3);
	id = sync_create(5);
	SEND(SL_VTEST_SYNC_READ, id);
	SEND(SL_VTEST_SYNC_WRITE, id, 7, 1);
	SEND(SL_VTEST_SYNC_READ, id);
	SEND(SL_VTEST_SYNC_UNREF, id);
	SEND(SL_VTEST_SYNC_READ, id);
	SEND(SL_VTEST_SYNC_UNREF, id);
	SEND(SL_VTEST_SYNC_WRITE, id, 0, 0);
	run_ok();
	EXPECT(2, SL_VTEST_SYNC_READ, 5, 0);
	EXPECT(2, SL_VTEST_SYNC_READ, 7, 1);
	EXPECT(2, SL_VTEST_SYNC_READ, 0, 0);
	assert_int_equal(faults(), 3);
}

static void test_sync_wait_all_and_any(void **state)
{
	uint32_t a, b;
	int all, any, over;

	start_at(3);
	a = sync_create(0);
	b = sync_create(0);
	all = sync_wait(0, UINT32_MAX, (uint32_t[]){ a, 1, 0, b, 1, 0 }, 2);
	any = sync_wait(1, UINT32_MAX, (uint32_t[]){ a, 1, 0, b, 1, 0 }, 2);
	over = sync_wait(0, 0, (uint32_t[]){ a, 0, 0 }, 1);
	assert_true(!readable(all) && !readable(any) && readable(over));
	SEND(SL_VTEST_SYNC_WRITE, a, 1, 0);
	SEND(SL_VTEST_SYNC_WRITE, a, 0, 0);
	run_ok();
	assert_true(!readable(all) && readable(any));
	SEND(SL_VTEST_SYNC_WRITE, b, 2, 0);
	run_ok();
	assert_true(readable(all));
	close(all);
	close(any);
	close(over);
	assert_int_equal(faults(), 0);
}

static void test_sync_wait_refusals(void **state)
{
	start_at(3);
	assert_int_equal(sync_wait(0, 1, (uint32_t[]){ 99, 0, 0 }, 1), -1);
	assert_int_equal(faults(), 1);
}

static void test_sync_wait_expires(void **state)
{
	uint64_t before;
	uint32_t a;
	int fd;

	start_at(3);
	a = sync_create(0);
	before = used_bytes();
	fd = sync_wait(0, 1, (uint32_t[]){ a, 1, 0 }, 1);
	assert_true(used_bytes() > before);
	assert_true(sl_vtest_deadline_ns(rig.vtest) <= sl_now_ns() + SL_NSEC_PER_MSEC);
	usleep(2000);
	run_ok();
	assert_int_equal(used_bytes(), before);
	assert_true(sl_vtest_deadline_ns(rig.vtest) == SL_NEVER_NS);
	assert_false(readable(fd));
	close(fd);
}

static void test_wait_outlives_the_id(void **state)
{
	uint32_t a;
	int fd;

	start_async(3);
	a = sync_create(0);
	SEND(SL_VTEST_SUBMIT_CMD2, 1, 1, 7, 1, 8, 1, 3, 0xff, a, 9, 0);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	fd = sync_wait(0, UINT32_MAX, (uint32_t[]){ a, 9, 0 }, 1);
	SEND(SL_VTEST_SYNC_UNREF, a);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_OPEN);
	assert_false(readable(fd));
	sl_session_poll(rig.session);
	assert_true(readable(fd));
	close(fd);
	assert_int_equal(faults(), 0);
}

static void test_submit2_signals_at_once_when_idle(void **state)
{
	uint32_t a;

	start_at(3);
	a = sync_create(0);
	SEND(SL_VTEST_SUBMIT_CMD2, 1, 0, 9, 1, 10, 1, 0, 0, 0, 0xff, a, 9, 0);
	SEND(SL_VTEST_SYNC_READ, a);
	run_ok();
	EXPECT(2, SL_VTEST_SYNC_READ, 9, 0);
}

static void test_submit2_with_bad_ring_or_sync(void **state)
{
	uint32_t a;

	start_at(3);
	a = sync_create(0);
	SEND(SL_VTEST_SUBMIT_CMD2, 1, 1, 7, 1, 8, 1, 64, 0xff, a, 9, 0);
	SEND(SL_VTEST_SUBMIT_CMD2, 1, 1, 7, 1, 8, 1, UINT32_MAX, 0xff, a, 9, 0);
	SEND(SL_VTEST_SUBMIT_CMD2, 1, 1, 7, 1, 8, 1, 0, 0xff, 99, 9, 0);
	run_ok();
	assert_int_equal(faults(), 3);
	SEND(SL_VTEST_SUBMIT_CMD2, 1, 0, 0xffffffff, 2, 8, 1, 0, 0xff, a, 9, 0);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_MALFORMED));
}

static void test_syncs_are_limited(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	uint32_t a;

	o.limits.syncs = 3;
	start(&o);
	sl_vtest_rig_handshake(&rig, 3);
	a = sync_create(0);
	assert_int_not_equal(a, 0);
	assert_int_not_equal(sync_create(0), 0);
	assert_int_not_equal(sync_create(0), 0);
	assert_int_equal(sync_create(0), 0);
	for (int i = 0; i < 5; i++) {
		int fd = sync_wait(0, UINT32_MAX, (uint32_t[]){ a, 1, 0 }, 1);

		assert_true(i < 3 ? fd >= 0 : fd < 0);
		sl_close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sync_values),
		T(test_sync_wait_all_and_any),
		T(test_sync_wait_refusals),
		T(test_sync_wait_expires),
		T(test_wait_outlives_the_id),
		T(test_submit2_signals_at_once_when_idle),
		T(test_submit2_with_bad_ring_or_sync),
		T(test_syncs_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
