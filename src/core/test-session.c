/* SPDX-License-Identifier: MIT */
/* Sessions: ids, limits, refusals that leave nothing behind, poison, charges. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/test-backend.h"

static uint64_t used(struct sl_session *s)
{
	return sl_session_meter(s)->used_bytes;
}

static void test_everything_is_given_back_at_the_end(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;
	uint32_t id;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(sl_session_resource_create(s, 0, &a, 100, &id), 0);
		assert_int_equal(sl_session_context_attach(s, 1, id), 0);
	}
	assert_int_equal(f.resources, 100);
	sl_session_free(s);
	assert_int_equal(f.resources, 0);
	assert_int_equal(f.contexts, 0);
	assert_int_equal(f.freed, 1);
}

static void test_unref_refunds(void **state)
{
	struct fake f = { .price = 1 << 20 };
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;
	uint64_t before = used(s);
	uint32_t id = 0;

	assert_int_equal(sl_session_resource_create(s, 9, &a, 1 << 20, &id), 0);
	assert_int_equal(id, 9);
	assert_in_range(used(s) - before, 2 << 20, (2 << 20) + 8192);
	assert_int_equal(sl_session_context_attach(s, 1, 9), 0);
	assert_int_equal(sl_session_resource_unref(s, 9), 0);
	assert_int_equal(used(s), before);
	assert_int_equal(sl_session_resource_unref(s, 9), SL_FAULT_UNKNOWN_ID);
	sl_session_free(s);
}

static void test_chosen_ids_avoid_the_clients(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;
	uint32_t id = 0;

	assert_int_equal(sl_session_resource_create(s, 1, &a, 0, NULL), 0);
	assert_int_equal(sl_session_resource_create(s, 2, &a, 0, NULL), 0);
	assert_int_equal(sl_session_resource_create(s, 0, &a, 0, &id), 0);
	assert_int_equal(id, 3);
	assert_int_equal(sl_session_resource_create(s, 3, &a, 0, NULL), SL_FAULT_EXISTS);
	assert_true(sl_session_resource_exists(s, 3));
	sl_session_free(s);
}

static void test_a_refused_creation_leaves_nothing(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;
	uint64_t before = used(s);

	f.fail_resource = SL_FAULT_RENDERER;
	assert_int_equal(sl_session_resource_create(s, 5, &a, 0, NULL), SL_FAULT_RENDERER);
	f.fail_resource = 0;
	f.price = 2ull << 30;
	assert_int_equal(sl_session_resource_create(s, 5, &a, 0, NULL), SL_FAULT_NO_MEMORY);
	f.price = 4096;
	assert_int_equal(
		sl_session_resource_create(s, 5, &a, UINT64_MAX - 100, NULL), SL_FAULT_INVALID);
	f.fail_context = -ENOMEM;
	assert_int_equal(sl_session_context_create(s, 2, 0, "x"), -ENOMEM);
	assert_int_equal(used(s), before);
	assert_false(sl_session_resource_exists(s, 5));
	assert_int_equal(f.contexts, 1);
	sl_session_free(s);
}

static void test_limits_on_counts(void **state)
{
	struct sl_limits limits = SL_LIMITS_DEFAULT;
	struct fake f = { .base.ops = &fake_ops, .price = 64 };
	struct sl_resource_args a = FAKE_ARGS;
	struct sl_session *s;
	uint32_t cmd[5] = {};

	limits.resources = 2;
	limits.contexts = 2;
	limits.cmd_bytes = 16;
	assert_int_equal(sl_session_new(1, &limits, &f.base, &s), 0);
	assert_int_equal(sl_session_context_create(s, 1, 0, "a"), 0);
	assert_int_equal(sl_session_context_create(s, 1, 0, "a"), SL_FAULT_EXISTS);
	assert_int_equal(sl_session_context_create(s, 0, 0, "a"), SL_FAULT_INVALID);
	assert_int_equal(sl_session_context_create(s, 2, 0, "a"), 0);
	assert_int_equal(sl_session_context_create(s, 3, 0, "a"), SL_FAULT_LIMIT);
	assert_int_equal(sl_session_resource_create(s, 0, &a, 0, NULL), 0);
	assert_int_equal(sl_session_resource_create(s, 0, &a, 0, NULL), 0);
	assert_int_equal(sl_session_resource_create(s, 0, &a, 0, NULL), SL_FAULT_LIMIT);
	assert_int_equal(sl_session_resource_poison(s, 0, NULL), SL_FAULT_LIMIT);
	assert_int_equal(sl_session_submit(s, 1, cmd, 5), SL_FAULT_LIMIT);
	assert_int_equal(sl_session_submit(s, 1, cmd, 4), 0);
	assert_int_equal(sl_session_submit(s, 9, cmd, 4), SL_FAULT_UNKNOWN_ID);
	sl_session_free(s);
}

static void test_unknown_ids(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	struct sl_transfer t = { .box = { 0, 0, 0, 1, 1, 1 } };
	struct sl_wait w = {};
	int fd;
	uint64_t size;

	assert_int_equal(sl_session_context_attach(s, 1, 4), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_context_detach(s, 1, 4), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_context_destroy(s, 4), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_transfer_read(s, 1, 4, &t, NULL, 0), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_transfer_write(s, 4, 4, &t, NULL, 0), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_wait_resource(s, 1, 4, &w), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_wait_ring(s, 4, 0, &w), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_wait_ring(s, 1, 64, &w), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_resource_busy(s, 1, 4), SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_resource_export(s, 4, &fd, &size), SL_FAULT_UNKNOWN_ID);
	assert_null(sl_session_resource_args(s, 4));
	sl_session_free(s);
}

static void count_release(void *user)
{
	(*(int *)user)++;
}

static void test_backing_is_released_once(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;
	char memory[1024];
	struct iovec iov = { memory, sizeof(memory) };
	int released = 0;

	assert_int_equal(sl_session_resource_create(s, 1, &a, 0, NULL), 0);
	f.fail_attach = SL_FAULT_RENDERER;
	assert_int_equal(sl_session_resource_attach(s, 1, &iov, 1, count_release, &released),
		SL_FAULT_RENDERER);
	f.fail_attach = 0;
	assert_int_equal(sl_session_resource_attach(s, 1, &iov, 0, count_release, &released),
		SL_FAULT_LIMIT);
	assert_int_equal(released, 0);
	assert_int_equal(sl_session_resource_attach(s, 1, &iov, 1, count_release, &released), 0);
	assert_int_equal(sl_session_resource_attach(s, 1, &iov, 1, count_release, &released),
		SL_FAULT_EXISTS);
	assert_ptr_equal(sl_session_resource_backing(s, 1), &released);
	assert_int_equal(sl_session_resource_unref(s, 1), 0);
	assert_int_equal(released, 1);
	sl_session_free(s);
	assert_int_equal(released, 1);
}

static void test_transfers_are_checked_before_the_back_end(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;
	struct sl_transfer t = { .box = { 0, 0, 0, 16, 16, 1 } };
	char memory[1024];
	struct iovec two[] = { { memory, 512 }, { memory + 512, 512 } };

	assert_int_equal(sl_session_resource_create(s, 1, &a, 0, NULL), 0);
	assert_int_equal(sl_session_transfer_read(s, 1, 1, &t, NULL, 0), SL_FAULT_INVALID);
	assert_int_equal(sl_session_transfer_read(s, 1, 1, &t, two, 1), SL_FAULT_INVALID);
	assert_int_equal(sl_session_transfer_read(s, 1, 1, &t, two, 2), 0);
	t.offset_bytes = 1;
	assert_int_equal(sl_session_transfer_read(s, 1, 1, &t, two, 2), SL_FAULT_INVALID);
	t.offset_bytes = UINT64_MAX;
	assert_int_equal(sl_session_transfer_write(s, 1, 1, &t, two, 2), SL_FAULT_INVALID);
	t = (struct sl_transfer){ .box = { 0, 0, 0, 0, 16, 1 } };
	assert_int_equal(sl_session_transfer_write(s, 1, 1, &t, two, 2), 0);
	assert_int_equal(f.reads, 1);
	assert_int_equal(f.writes, 0);
	sl_session_free(s);
}

static void test_poison_absorbs_everything(void **state)
{
	struct fake f = { .price = 4ull << 30 };
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;
	struct sl_transfer t = { .box = { 9999, 0, 0, 16, 16, 1 } };
	struct sl_wait w = {};
	char memory[16];
	struct iovec iov = { memory, sizeof(memory) };
	int released = 0, fd;
	uint64_t size;

	assert_int_equal(sl_session_resource_create(s, 5, &a, 0, NULL), SL_FAULT_NO_MEMORY);
	assert_int_equal(sl_session_resource_poison(s, 5, NULL), 0);
	assert_true(sl_session_resource_poisoned(s, 5));
	assert_null(sl_session_resource_args(s, 5));
	assert_int_equal(sl_session_context_attach(s, 1, 5), 0);
	assert_int_equal(sl_session_resource_attach(s, 5, &iov, 1, count_release, &released), 0);
	assert_int_equal(sl_session_transfer_read(s, 1, 5, &t, NULL, 0), 0);
	assert_int_equal(sl_session_transfer_write(s, 1, 5, &t, NULL, 0), 0);
	assert_int_equal(sl_session_wait_resource(s, 1, 5, &w), 0);
	assert_int_equal(sl_session_resource_busy(s, 1, 5), 0);
	assert_int_equal(sl_session_resource_export(s, 5, &fd, &size), SL_FAULT_NO_MEMORY);
	assert_int_equal(sl_session_context_detach(s, 1, 5), 0);
	assert_int_equal(sl_session_resource_unref(s, 5), 0);
	assert_int_equal(released, 1);
	assert_int_equal(f.reads + f.writes + f.resources, 0);
	sl_session_free(s);
}

static void test_poison_has_a_small_body_for_streams(void **state)
{
	struct fake f = { .price = 4ull << 30 };
	struct sl_session *s = fake_session(&f);
	struct sl_resource_args a = FAKE_ARGS;

	a.width = a.height = 16384;
	assert_int_equal(sl_session_resource_create(s, 5, &a, 0, NULL), SL_FAULT_NO_MEMORY);
	assert_int_equal(sl_session_resource_poison(s, 5, NULL), 0);
	assert_int_equal(f.resources, 1);
	assert_int_equal(f.last_args.width, 1);
	assert_int_equal(f.last_args.format, a.format);
	/* Without a refusal of that very id before it there is nothing to stand in for. */
	assert_int_equal(sl_session_resource_poison(s, 6, NULL), 0);
	assert_int_equal(f.resources, 1);
	sl_session_free(s);
	assert_int_equal(f.resources, 0);
}

static void test_poison_works_with_an_empty_purse(void **state)
{
	struct sl_limits limits = SL_LIMITS_DEFAULT;
	struct fake f = { .base.ops = &fake_ops, .price = 64 };
	struct sl_resource_args a = FAKE_ARGS;
	struct sl_session *s;
	uint32_t id;

	limits.mem_bytes = 100;
	assert_int_equal(sl_session_new(1, &limits, &f.base, &s), 0);
	assert_int_equal(sl_session_resource_create(s, 0, &a, 0, &id), SL_FAULT_NO_MEMORY);
	assert_int_equal(sl_session_resource_poison(s, 0, &id), 0);
	assert_int_equal(f.resources, 0);
	assert_int_equal(sl_session_context_create(s, 1, 0, "x"), SL_FAULT_NO_MEMORY);
	sl_session_free(s);
}

static void test_streams_are_priced_before_they_run(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	uint64_t before = used(s);
	uint32_t cmd[1] = {};
	struct sl_session_stats stats;

	f.stream_bytes = 2ll << 30;
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), SL_FAULT_NO_MEMORY);
	f.stream_bytes = 1 << 20;
	f.stream_contexts = 64;
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), SL_FAULT_LIMIT);
	f.price_fault = SL_FAULT_MALFORMED;
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), SL_FAULT_MALFORMED);
	f.price_fault = 0;
	assert_int_equal(f.submits, 0);
	assert_int_equal(used(s), before);
	f.stream_contexts = 3;
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), 0);
	assert_int_equal(used(s), before + (1 << 20));
	sl_session_stats(s, &stats);
	assert_int_equal(stats.contexts, 4);
	f.stream_bytes = -(1 << 20);
	f.stream_contexts = -2;
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), 0);
	assert_int_equal(used(s), before);
	/* The end of the context gives back what its streams still hold. */
	f.stream_bytes = 12345;
	f.stream_contexts = 0;
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), 0);
	assert_int_equal(sl_session_context_destroy(s, 1), 0);
	sl_session_stats(s, &stats);
	assert_int_equal(stats.contexts, 0);
	assert_int_equal(stats.mem_bytes, 0);
	sl_session_free(s);
}

static void test_sub_contexts_count_as_contexts(void **state)
{
	struct fake f = { .stream_contexts = 63 };
	struct sl_session *s = fake_session(&f);
	uint32_t cmd[1] = {};

	assert_int_equal(sl_session_submit(s, 1, cmd, 1), 0);
	assert_int_equal(sl_session_context_create(s, 2, 0, "x"), SL_FAULT_LIMIT);
	f.stream_contexts = INT32_MAX;
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), SL_FAULT_LIMIT);
	sl_session_free(s);
}

static void test_caps_come_from_the_cache(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	uint32_t version, size;
	uint8_t buf[32];

	sl_session_capset_info(s, 2, &version, &size);
	assert_int_equal(version, 2);
	assert_int_equal(size, 16);
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(sl_session_capset(s, 2, 1, buf, sizeof(buf)), 0);
	assert_int_equal(buf[15], 16);
	assert_int_equal(buf[16], 0);
	assert_int_equal(sl_session_capset(s, 2, 2, buf, 4), 0);
	assert_int_equal(sl_session_capset(s, 2, 3, buf, 4), SL_FAULT_UNSUPPORTED);
	assert_int_equal(sl_session_capset(s, 4, 0, buf, 4), SL_FAULT_UNSUPPORTED);
	assert_int_equal(f.polls, 1000); /* filled once */
	sl_session_free(s);
}

static void test_stats(void **state)
{
	struct fake f = {};
	struct sl_session *s = fake_session(&f);
	struct sl_session_stats stats;

	assert_int_equal(sl_session_id(s), 7);
	sl_session_count_message(s, 100);
	sl_session_count_fault(s, SL_FAULT_INVALID);
	sl_session_count_fault(s, 0);
	sl_session_count_fault(s, -EIO);
	sl_session_stats(s, &stats);
	assert_int_equal(stats.commands, 1);
	assert_int_equal(stats.bytes_in, 100);
	assert_int_equal(stats.faults, 1);
	assert_int_equal(stats.last_fault, SL_FAULT_INVALID);
	assert_int_equal(stats.mem_limit_bytes, SL_LIMIT_MEM_BYTES);
	sl_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_given_back_at_the_end),
		cmocka_unit_test(test_unref_refunds),
		cmocka_unit_test(test_chosen_ids_avoid_the_clients),
		cmocka_unit_test(test_a_refused_creation_leaves_nothing),
		cmocka_unit_test(test_limits_on_counts),
		cmocka_unit_test(test_unknown_ids),
		cmocka_unit_test(test_backing_is_released_once),
		cmocka_unit_test(test_transfers_are_checked_before_the_back_end),
		cmocka_unit_test(test_poison_absorbs_everything),
		cmocka_unit_test(test_poison_has_a_small_body_for_streams),
		cmocka_unit_test(test_poison_works_with_an_empty_purse),
		cmocka_unit_test(test_streams_are_priced_before_they_run),
		cmocka_unit_test(test_sub_contexts_count_as_contexts),
		cmocka_unit_test(test_caps_come_from_the_cache),
		cmocka_unit_test(test_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
