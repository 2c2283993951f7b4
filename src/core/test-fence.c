/* SPDX-License-Identifier: MIT */
/* Completion: when fences are made and when not, who is told, in which order, and the end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/test-backend.h"

struct waiter {
	struct sl_wait w;
	int calls, result;
	struct sl_wait *cancel; /* what done() cancels */
	bool again;             /* done() submits and waits again */
};

static void on_done(struct sl_wait *w, int result)
{
	struct waiter *me = sl_container_of(w, struct waiter, w);

	me->calls++;
	me->result = result;
	if (me->cancel) {
		sl_session_wait_cancel(me->cancel);
	}
}

#define WAITER ((struct waiter){ .w.done = on_done, .result = 99 })

static struct sl_session *session_with_resource(struct fake *f)
{
	struct sl_session *s = fake_session(f);
	struct sl_resource_args a = FAKE_ARGS;

	assert_int_equal(sl_session_resource_create(s, 1, &a, 0, NULL), 0);
	assert_int_equal(sl_session_context_attach(s, 1, 1), 0);
	return s;
}

static void submit(struct sl_session *s, uint32_t ctx)
{
	uint32_t cmd[1] = {};

	assert_int_equal(sl_session_submit(s, ctx, cmd, 1), 0);
}

static void read_back(struct sl_session *s, uint32_t res)
{
	static char memory[1024];
	struct iovec iov = { memory, sizeof(memory) };
	struct sl_transfer t = { .box = { 0, 0, 0, 16, 16, 1 } };

	assert_int_equal(sl_session_transfer_read(s, 1, res, &t, &iov, 1), 0);
}

static void test_no_work_no_fence(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER;

	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 0);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w.w), 0);
	assert_int_equal(sl_session_resource_busy(s, 1, 1), 0);
	assert_int_equal(f.fences, 0);
	assert_int_equal(w.calls, 0);
	sl_session_free(s);
}

static void test_submits_make_no_fence_until_somebody_waits(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER;

	for (int i = 0; i < 10; i++) {
		submit(s, 1);
	}
	assert_int_equal(f.fences, 0);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 1);
	assert_int_equal(f.fences, 1);
	assert_int_equal(sl_session_poll(s), 1000);
	assert_int_equal(w.calls, 0);
	fake_complete(&f, 1);
	assert_int_equal(w.calls, 0); /* only poll() tells */
	assert_int_equal(sl_session_poll(s), SL_NEVER_NS);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.result, 0);
	/* Nothing since: the old fence still stands for everything. */
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 0);
	assert_int_equal(f.fences, 1);
	sl_session_free(s);
}

static void test_waits_share_a_fence(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter a = WAITER, b = WAITER, c = WAITER;

	submit(s, 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &a.w), 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 5, &b.w), 1);
	assert_int_equal(f.fences, 1);
	submit(s, 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &c.w), 1);
	assert_int_equal(f.fences, 2);
	fake_complete(&f, 1);
	sl_session_poll(s);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_int_equal(c.calls, 0);
	fake_complete(&f, 1);
	sl_session_poll(s);
	assert_int_equal(c.calls, 1);
	sl_session_free(s);
}

static void test_a_late_fence_completes_earlier_waits(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter a = WAITER;

	submit(s, 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &a.w), 1);
	submit(s, 1);
	assert_int_equal(sl_session_resource_busy(s, 1, 1), 1);
	/* The renderer may merge fences and report only the newest. */
	f.pending[0] = f.pending[1];
	f.n_pending = 1;
	fake_complete(&f, 1);
	sl_session_poll(s);
	assert_int_equal(a.calls, 1);
	sl_session_free(s);
}

static void test_completion_inside_fence_creation_is_idle_now(void **state)
{
	struct fake f = { .complete_in_create = true };
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER;

	submit(s, 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 0);
	assert_int_equal(w.calls, 0);
	assert_int_equal(sl_session_poll(s), SL_NEVER_NS);
	sl_session_free(s);
}

static void test_read_back_is_idle_until_new_work(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct sl_resource_args a = FAKE_ARGS;
	struct waiter w = WAITER;

	assert_int_equal(sl_session_resource_create(s, 2, &a, 0, NULL), 0);
	submit(s, 1);
	read_back(s, 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 0);
	assert_int_equal(sl_session_resource_busy(s, 1, 1), 0);
	assert_int_equal(f.fences, 0);
	/* Another resource is not read back: it may be a client's fence for all work before. */
	assert_int_equal(sl_session_wait_resource(s, 1, 2, &w.w), 1);
	assert_int_equal(f.fences, 1);
	sl_session_wait_cancel(&w.w);
	submit(s, 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 1);
	sl_session_free(s);
	assert_int_equal(w.result, -ECANCELED);
}

static void test_reads_of_an_asynchronous_back_end_are_work(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER;

	f.base.flags = 0;
	read_back(s, 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 1);
	f.complete_in_poll = true;
	sl_session_poll(s);
	assert_int_equal(w.calls, 1);
	sl_session_free(s);
}

static void test_a_synchronous_back_end_needs_no_fence(void **state)
{
	struct fake f = { .base.flags = SL_BACKEND_SYNC_ALL };
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER;

	submit(s, 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 0);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w.w), 0);
	assert_int_equal(f.fences, 0);
	sl_session_free(s);
}

static void test_a_shared_resource_waits_for_all_its_contexts(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER, only = WAITER;

	assert_int_equal(sl_session_context_create(s, 2, 0, "b"), 0);
	assert_int_equal(sl_session_context_create(s, 3, 0, "c"), 0);
	assert_int_equal(sl_session_context_attach(s, 2, 1), 0);
	submit(s, 1);
	submit(s, 2);
	submit(s, 3); /* not attached: none of its business */
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &w.w), 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &only.w), 1);
	assert_int_equal(f.fences, 2);
	fake_complete(&f, 1);
	sl_session_poll(s);
	assert_int_equal(only.calls, 1);
	assert_int_equal(w.calls, 0);
	fake_complete(&f, 1);
	sl_session_poll(s);
	assert_int_equal(w.calls, 1);
	sl_session_free(s);
}

static void test_busy_makes_progress(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);

	submit(s, 1);
	assert_int_equal(sl_session_resource_busy(s, 1, 1), 1);
	assert_int_equal(sl_session_resource_busy(s, 1, 1), 1);
	assert_int_equal(f.fences, 1);
	f.complete_in_poll = true;
	assert_int_equal(sl_session_resource_busy(s, 1, 1), 0);
	assert_int_equal(f.fences, 1);
	sl_session_free(s);
}

static void test_cancel(void **state)
{
	struct fake f = { .complete_in_poll = true };
	struct sl_session *s = session_with_resource(&f);
	struct waiter a = WAITER, b = WAITER;

	sl_session_wait_cancel(&a.w);
	submit(s, 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &a.w), 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &b.w), 1);
	/* Both are over; the first to hear cancels the other. */
	a.cancel = &b.w;
	sl_session_poll(s);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 0);
	sl_session_wait_cancel(&b.w);
	sl_session_free(s);
	assert_int_equal(b.calls, 0);
}

static void on_done_again(struct sl_wait *w, int result)
{
	struct waiter *me = sl_container_of(w, struct waiter, w);
	uint32_t cmd[1] = {};

	me->calls++;
	me->result = result;
	if (result == 0 && me->calls < 3) {
		struct sl_session *s = *(struct sl_session **)me->cancel;

		assert_int_equal(sl_session_submit(s, 1, cmd, 1), 0);
		assert_int_equal(sl_session_wait_ring(s, 1, 0, w), 1);
	} else if (result == -ECANCELED) {
		struct sl_session *s = *(struct sl_session **)me->cancel;

		assert_int_equal(sl_session_wait_ring(s, 1, 0, w), -ECANCELED);
	}
}

static void test_done_may_wait_again(void **state)
{
	struct fake f = { .complete_in_poll = true };
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = { .w.done = on_done_again, .cancel = (void *)&s };

	submit(s, 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w.w), 1);
	assert_int_equal(sl_session_poll(s), 0); /* once more, at once */
	assert_int_equal(w.calls, 1);
	assert_int_equal(sl_session_poll(s), 0);
	assert_int_equal(sl_session_poll(s), SL_NEVER_NS);
	assert_int_equal(w.calls, 3);
	sl_session_free(s);
}

static void test_the_end_cancels_waits(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter a = WAITER, b = { .w.done = on_done_again, .cancel = (void *)&s };

	submit(s, 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &a.w), 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &b.w), 1);
	sl_session_free(s);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.result, -ECANCELED);
	assert_int_equal(b.calls, 1);
}

static void test_waits_survive_their_resource_and_context(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter a = WAITER, b = WAITER;

	submit(s, 1);
	assert_int_equal(sl_session_wait_resource(s, 1, 1, &a.w), 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &b.w), 1);
	assert_int_equal(sl_session_resource_unref(s, 1), 0);
	sl_session_poll(s);
	assert_int_equal(a.calls, 0); /* the context's work goes on */
	assert_int_equal(sl_session_context_destroy(s, 1), 0);
	sl_session_poll(s);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	/* A report that comes too late finds nobody, or a namesake that it must not complete. */
	assert_int_equal(sl_session_context_create(s, 1, 0, "new"), 0);
	fake_complete(&f, 1);
	sl_session_free(s);
}

static void test_a_lost_context_holds_nobody(void **state)
{
	struct fake f = {};
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER;
	uint32_t cmd[1] = {};

	submit(s, 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w.w), 1);
	f.base.events->context_lost(f.base.events_user, 1);
	sl_session_poll(s);
	assert_int_equal(w.calls, 1);
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), SL_FAULT_RENDERER);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w.w), 0);
	sl_session_free(s);
}

static void test_a_failed_fence_is_reported_and_holds_nobody(void **state)
{
	struct fake f = { .fail_fence = SL_FAULT_RENDERER };
	struct sl_session *s = session_with_resource(&f);
	struct waiter w = WAITER;

	submit(s, 1);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w.w), SL_FAULT_RENDERER);
	assert_int_equal(sl_session_resource_busy(s, 1, 1), SL_FAULT_RENDERER);
	f.fail_fence = 0;
	f.complete_in_create = true;
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w.w), 0);
	sl_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_work_no_fence),
		cmocka_unit_test(test_submits_make_no_fence_until_somebody_waits),
		cmocka_unit_test(test_waits_share_a_fence),
		cmocka_unit_test(test_a_late_fence_completes_earlier_waits),
		cmocka_unit_test(test_completion_inside_fence_creation_is_idle_now),
		cmocka_unit_test(test_read_back_is_idle_until_new_work),
		cmocka_unit_test(test_reads_of_an_asynchronous_back_end_are_work),
		cmocka_unit_test(test_a_synchronous_back_end_needs_no_fence),
		cmocka_unit_test(test_a_shared_resource_waits_for_all_its_contexts),
		cmocka_unit_test(test_busy_makes_progress),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_done_may_wait_again),
		cmocka_unit_test(test_the_end_cancels_waits),
		cmocka_unit_test(test_waits_survive_their_resource_and_context),
		cmocka_unit_test(test_a_lost_context_holds_nobody),
		cmocka_unit_test(test_a_failed_fence_is_reported_and_holds_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
