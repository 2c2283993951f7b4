/* SPDX-License-Identifier: MIT */
/* The null back end behind a session: pattern, blobs, and fences that arrive through an fd. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <cmocka.h>

#include "backend/null/null.h"
#include "core/session.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"

static struct sl_session *make(bool async)
{
	struct sl_null_options o = { .async = async };
	struct sl_backend *b = NULL;
	struct sl_session *s = NULL;

	assert_int_equal(sl_null_new(&o, &b), 0);
	assert_int_equal(sl_session_new(1, &SL_LIMITS_DEFAULT, b, &s), 0);
	assert_int_equal(sl_session_context_create(s, 1, 0, "test"), 0);
	return s;
}

static const struct sl_resource_args args = {
	.target = 2, .format = 1, .width = 8, .height = 8, .depth = 1, .array_size = 1
};

static void test_caps_have_plausible_sizes(void **state)
{
	struct sl_session *s = make(false);
	uint32_t version, size;

	sl_session_capset_info(s, 1, &version, &size);
	assert_int_equal(version, 1);
	assert_int_equal(size, 308);
	sl_session_capset_info(s, 2, &version, &size);
	assert_int_equal(version, 2);
	assert_in_range(size, 1300, 2000);
	sl_session_capset_info(s, 4, &version, &size);
	assert_int_equal(size, 0);
	sl_session_free(s);
}

static void test_reads_give_a_pattern_over_scattered_memory(void **state)
{
	struct sl_session *s = make(false);
	uint8_t memory[264];
	struct iovec iov[] = { { memory, 100 }, { memory + 100, 164 } };
	struct sl_transfer t = { .box = { 0, 0, 0, 8, 8, 1 }, .offset_bytes = 4 };

	memset(memory, 0xee, sizeof(memory));
	assert_int_equal(sl_session_resource_create(s, 1, &args, 0, NULL), 0);
	assert_int_equal(sl_session_context_attach(s, 1, 1), 0);
	assert_int_equal(sl_session_resource_attach(s, 1, iov, 2, NULL, NULL), 0);
	assert_int_equal(sl_session_transfer_read(s, 1, 1, &t, NULL, 0), 0);
	assert_int_equal(memory[3], 0xee);
	for (int i = 4; i < 260; i++) {
		assert_int_equal(memory[i], i & 0xff);
	}
	assert_int_equal(memory[260], 0xee);
	sl_session_free(s);
}

static void test_host_blobs_are_sealed_memory(void **state)
{
	struct sl_session *s = make(false);
	struct sl_blob_args blob = { .mem = SL_BLOB_HOST3D, .flags = 1, .size_bytes = 8192 };
	uint64_t size = 0;
	int fd = -1;

	assert_int_equal(sl_session_resource_create_blob(s, 1, 5, &blob, NULL, 0, 0, NULL), 0);
	assert_int_equal(sl_session_resource_export(s, 5, &fd, &size), 0);
	assert_int_equal(size, 8192);
	assert_int_equal(sl_fd_size(fd), 8192);
	assert_true(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK);
	sl_close(fd);
	sl_session_free(s);
}

static void test_bad_blobs_are_refused(void **state)
{
	struct sl_session *s = make(false);
	char memory[64];
	struct iovec iov = { memory, sizeof(memory) };
	struct sl_blob_args blob = { .mem = SL_BLOB_HOST3D, .size_bytes = 0 };
	uint64_t before = sl_session_meter(s)->used_bytes;

	assert_int_equal(sl_session_resource_create_blob(s, 1, 5, &blob, NULL, 0, 0, NULL),
		SL_FAULT_INVALID);
	blob.size_bytes = 1ull << 60;
	assert_int_equal(sl_session_resource_create_blob(s, 1, 5, &blob, NULL, 0, 0, NULL),
		SL_FAULT_NO_MEMORY);
	blob.size_bytes = 64;
	blob.mem = 9;
	assert_int_equal(sl_session_resource_create_blob(s, 1, 5, &blob, NULL, 0, 0, NULL),
		SL_FAULT_INVALID);
	blob.mem = SL_BLOB_GUEST;
	assert_int_equal(sl_session_resource_create_blob(s, 1, 5, &blob, NULL, 0, 0, NULL),
		SL_FAULT_INVALID);
	assert_int_equal(sl_session_resource_create_blob(s, 9, 5, &blob, &iov, 1, 0, NULL),
		SL_FAULT_UNKNOWN_ID);
	assert_int_equal(sl_session_meter(s)->used_bytes, before);
	assert_int_equal(sl_session_resource_create_blob(s, 1, 5, &blob, &iov, 1, 0, NULL), 0);
	sl_session_free(s);
}

static void on_done(struct sl_wait *w, int result)
{
	w->fence_id = 1000u + (unsigned)result;
}

static void test_async_completes_through_the_fd(void **state)
{
	struct sl_session *s = make(true);
	struct sl_wait w = { .done = on_done };
	struct pollfd p = { .fd = sl_session_poll_fd(s), .events = POLLIN };
	uint32_t cmd[] = { 0 };

	assert_true(p.fd >= 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), 0);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w), 1);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(sl_session_poll(s), SL_NEVER_NS);
	assert_int_equal(w.fence_id, 1000);
	assert_int_equal(poll(&p, 1, 0), 0);
	sl_session_free(s);
}

static void test_sync_has_nothing_to_wait_for(void **state)
{
	struct sl_session *s = make(false);
	struct sl_wait w = { .done = on_done };
	uint32_t cmd[] = { 0 };

	assert_int_equal(sl_session_poll_fd(s), -1);
	assert_int_equal(sl_session_submit(s, 1, cmd, 1), 0);
	assert_int_equal(sl_session_wait_ring(s, 1, 0, &w), 0);
	assert_int_equal(sl_session_poll(s), SL_NEVER_NS);
	sl_session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_caps_have_plausible_sizes),
		cmocka_unit_test(test_reads_give_a_pattern_over_scattered_memory),
		cmocka_unit_test(test_host_blobs_are_sealed_memory),
		cmocka_unit_test(test_bad_blobs_are_refused),
		cmocka_unit_test(test_async_completes_through_the_fd),
		cmocka_unit_test(test_sync_has_nothing_to_wait_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
