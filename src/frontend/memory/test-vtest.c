/* SPDX-License-Identifier: MIT */
/*
 * The vtest front end on the null back end: what every command does, and what becomes of a session
 * whose client gets one wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "frontend/memory/vtest-rig.h"
#include "protocol/recording.h"
#include "protocol/vtest.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"

#define R8G8B8A8 67u
#define TARGET_2D 2u
#define FAULT(f) (SL_VTEST_FAULT_BASE - (f))

static struct sl_vtest_rig rig;

static void start(const struct sl_vtest_rig_options *o)
{
	assert_int_equal(sl_vtest_rig_init(&rig, o), 0);
}

static void start_at(uint32_t version)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, version), version);
}

static int teardown(void **state)
{
	sl_vtest_rig_fini(&rig);
	return 0;
}

static void send_words(uint32_t id, const uint32_t *w, size_t n)
{
	sl_vtest_rig_send(&rig, id, w, n);
}
#define SEND(id, ...)                                                                              \
	send_words(id, (uint32_t[]){ __VA_ARGS__ },                                                \
		sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void run_ok(void)
{
	assert_int_equal(sl_vtest_rig_run(&rig), SL_VTEST_OPEN);
}

static size_t get(void *buf, size_t size)
{
	return sl_memory_read(rig.client, buf, size, NULL);
}

/* Read a reply of words and compare. */
static void expect_words(const uint32_t *w, size_t n)
{
	uint32_t got[64] = {};

	assert_int_equal(get(got, n * 4), n * 4);
	assert_memory_equal(got, w, n * 4);
}
#define EXPECT(...)                                                                                \
	expect_words((uint32_t[]){ __VA_ARGS__ },                                                  \
		sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void expect_nothing(void)
{
	assert_int_equal(sl_memory_pending(rig.client), 0);
}

/* The byte and its fd; -1 if it came alone. */
static int expect_fd(void)
{
	char byte;
	int fd = -1;

	assert_int_equal(sl_memory_read(rig.client, &byte, 1, &fd), 1);
	return fd;
}

static uint64_t used_bytes(void)
{
	struct sl_session_stats s;

	sl_session_stats(rig.session, &s);
	return s.mem_bytes;
}

static uint64_t faults(void)
{
	struct sl_session_stats s;

	sl_session_stats(rig.session, &s);
	return s.faults;
}

static void send_create2(uint32_t handle, uint32_t w, uint32_t h, uint32_t data)
{
	SEND(SL_VTEST_RESOURCE_CREATE2, handle, TARGET_2D, R8G8B8A8, 2, w, h, 1, 1, 0, 0, data);
}

/* v2: create and take the fd. */
static int create2(uint32_t handle, uint32_t w, uint32_t h, uint32_t data)
{
	send_create2(handle, w, h, data);
	run_ok();
	return data > 0 ? expect_fd() : -1;
}

static void unref(uint32_t handle)
{
	SEND(SL_VTEST_RESOURCE_UNREF, handle);
	run_ok();
}

/* --- the handshake --- */

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

/* --- caps and contexts --- */

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

/* --- resources of version 2 --- */

static void test_create2_gives_sealed_memory(void **state)
{
	struct stat st;
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size >= 1024);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	close(fd);
	unref(7);
	assert_int_equal(faults(), 0);
}

static void test_create2_without_memory(void **state)
{
	start_at(2);
	create2(7, 16, 16, 0);
	expect_nothing();
	assert_true(sl_session_resource_exists(rig.session, 7));
}

static void test_transfers_go_through_the_memfd(void **state)
{
	uint8_t *p;
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	p = mmap(NULL, 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	close(fd);
	SEND(SL_VTEST_TRANSFER_GET2, 7, 0, 0, 0, 0, 16, 16, 1, 1024, 0);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 1);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	for (int i = 0; i < 1024; i++) {
		assert_int_equal(p[i], i & 0xff);
	}
	sl_vtest_rig_send_raw(&rig, 10 + 256, SL_VTEST_TRANSFER_PUT2,
		(uint32_t[]){ 7, 0, 0, 0, 0, 16, 16, 1, 1024, 0 }, 40);
	run_ok();
	expect_nothing();
	assert_int_equal(faults(), 0);
	munmap(p, 1024);
}

/* A transfer that does not fit is counted and absorbed; the session goes on. */
static void test_transfers_out_of_range(void **state)
{
	static const uint32_t evil[][10] = {
		{ 7, 0, 0, 0, 0, 17, 16, 1, 1024, 0 },
		{ 7, 0, 0, 0, 0, 16, 16, 1, 1024, 1 },
		{ 7, 0, 0, 0, 0, 16, 16, 1, 1024, UINT32_MAX },
		{ 7, 0, UINT32_MAX, 0, 0, 16, 16, 1, 1024, 0 },
		{ 7, 0, 1, 0, 0, UINT32_MAX, 16, 1, 1024, 0 },
		{ 7, 9, 0, 0, 0, 16, 16, 1, 1024, 0 },
		{ 7, 0, 0, 0, 0, 16, 16, 2, 1024, 0 },
		{ 8, 0, 0, 0, 0, 16, 16, 1, 1024, 0 },
		{ 0, 0, 0, 0, 0, 16, 16, 1, 1024, 0 },
	};
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	for (size_t i = 0; i < SL_ARRAY_LEN(evil); i++) {
		uint64_t before = faults();

		send_words(SL_VTEST_TRANSFER_GET2, evil[i], 10);
		send_words(SL_VTEST_TRANSFER_PUT2, evil[i], 10);
		run_ok();
		assert_int_equal(faults(), before + 2);
	}
	expect_nothing();
	close(fd);
}

static void test_unref_of_what_is_not_there(void **state)
{
	start_at(2);
	unref(7);
	unref(0);
	unref(UINT32_MAX);
	assert_int_equal(faults(), 3);
}

static void test_handle_taken(void **state)
{
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	assert_int_equal(create2(7, 16, 16, 1024), -1);
	create2(7, 16, 16, 0);
	assert_int_equal(create2(0, 16, 16, 1024), -1);
	create2(0, 16, 16, 0);
	expect_nothing();
	assert_true(sl_session_resource_exists(rig.session, 7));
	assert_false(sl_session_resource_poisoned(rig.session, 7));
	close(fd);
}

static void test_nonsense_resources(void **state)
{
	start_at(2);
	SEND(SL_VTEST_RESOURCE_CREATE2, 7, 99, R8G8B8A8, 2, 16, 16, 1, 1, 0, 0, 1024);
	run_ok();
	assert_int_equal(expect_fd(), -1);
	SEND(SL_VTEST_RESOURCE_CREATE2, 8, TARGET_2D, 0xffff, 2, 16, 16, 1, 1, 0, 0, 0);
	SEND(SL_VTEST_RESOURCE_CREATE2, 9, TARGET_2D, R8G8B8A8, 2, UINT32_MAX, UINT32_MAX, 1, 1,
		0, 0, 0);
	run_ok();
	expect_nothing();
	assert_true(sl_session_resource_poisoned(rig.session, 9));
	unref(8);
	unref(9);
}

/* --- resources of version 3 --- */

static void test_session_chooses_handles_in_v3(void **state)
{
	uint32_t r[3];
	int fd;

	start_at(3);
	send_create2(0, 16, 16, 1024);
	run_ok();
	assert_int_equal(get(r, 12), 12);
	assert_true(r[0] == 1 && r[1] == SL_VTEST_RESOURCE_CREATE2 && r[2] != 0);
	fd = expect_fd();
	assert_true(fd >= 0);
	close(fd);
	SEND(SL_VTEST_RESOURCE_CREATE, 0, TARGET_2D, R8G8B8A8, 2, 16, 16, 1, 1, 0, 0);
	run_ok();
	assert_int_equal(get(r, 12), 12);
	assert_true(r[0] == 1 && r[1] == SL_VTEST_RESOURCE_CREATE && r[2] != 0);
	expect_nothing();
}

static void test_client_may_not_choose_in_v3(void **state)
{
	start_at(3);
	send_create2(5, 16, 16, 1024);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_INVALID));
}

/* The header must be readable without touching the fd: two sends, in this order. */
static void test_fd_follows_its_reply(void **state)
{
	uint8_t all[32];

	start_at(3);
	send_create2(0, 16, 16, 1024);
	run_ok();
	assert_int_equal(get(all, sizeof(all)), 12);
	assert_int_equal(sl_memory_pending(rig.client), 1);
	sl_close(expect_fd());
}

static void test_blobs(void **state)
{
	uint32_t r[3];

	start_at(3);
	for (uint32_t type = 1; type <= 3; type++) {
		int fd;

		SEND(SL_VTEST_RESOURCE_CREATE_BLOB, type, 1, 8192, 0, 0, 0);
		run_ok();
		assert_int_equal(get(r, 12), 12);
		assert_true(r[0] == 1 && r[1] == SL_VTEST_RESOURCE_CREATE_BLOB && r[2] != 0);
		fd = expect_fd();
		assert_true(sl_fd_size(fd) >= 8192);
		close(fd);
		if (type != 1) {
			unref(r[2]);
		}
	}
	assert_int_equal(faults(), 0);
}

static void test_bad_blobs_are_answered(void **state)
{
	static const uint32_t evil[][6] = {
		{ 0, 1, 4096, 0, 0, 0 },
		{ 4, 1, 4096, 0, 0, 0 },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 1, 1, 0, 0, 0, 0 },
		{ 2, 1, 0, 0, 0, 0 },
		{ 1, 1, 0, 1, 0, 0 },
		{ 2, 1, UINT32_MAX, UINT32_MAX, 0, 0 },
	};

	start_at(3);
	for (size_t i = 0; i < SL_ARRAY_LEN(evil); i++) {
		send_words(SL_VTEST_RESOURCE_CREATE_BLOB, evil[i], 6);
		run_ok();
		EXPECT(1, SL_VTEST_RESOURCE_CREATE_BLOB, 0);
		assert_int_equal(expect_fd(), -1);
	}
	assert_int_equal(faults(), SL_ARRAY_LEN(evil));
}

/* --- inline transfers of version 0 --- */

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

/* --- submissions and waits --- */

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

static void start_async(uint32_t version)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.async = true;
	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, version), version);
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

/* --- syncs --- */

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

/* --- budgets and the pool --- */

static void start_small(uint64_t mem, uint32_t version)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.mem_bytes = mem;
	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, version), version);
}

static void test_out_of_budget_v2(void **state)
{
	int fd;

	start_small(16u << 20, 2);
	assert_int_equal(create2(1, 4096, 4096, 1024), -1);
	assert_int_equal(create2(2, 16, 16, 64u << 20), -1);
	assert_int_equal(create2(3, 16, 16, UINT32_MAX), -1);
	assert_false(sl_session_resource_exists(rig.session, 1));
	create2(4, 4096, 4096, 0);
	expect_nothing();
	assert_true(sl_session_resource_poisoned(rig.session, 4));
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 4, 1);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	unref(4);
	fd = create2(5, 16, 16, 1024);
	assert_true(fd >= 0);
	close(fd);
}

static void test_out_of_budget_v3(void **state)
{
	uint32_t r[3];

	start_small(16u << 20, 3);
	send_create2(0, 4096, 4096, 1024);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_CREATE2, 0);
	assert_int_equal(expect_fd(), -1);
	send_create2(0, 4096, 4096, 0);
	run_ok();
	assert_int_equal(get(r, 12), 12);
	assert_true(r[2] != 0 && sl_session_resource_poisoned(rig.session, r[2]));
}

static void test_too_many_resources(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.resources = 2;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	sl_close(create2(1, 16, 16, 64));
	sl_close(create2(2, 16, 16, 64));
	assert_int_equal(create2(3, 16, 16, 64), -1);
	create2(4, 16, 16, 0);
	expect_nothing();
	unref(1);
	sl_close(create2(5, 16, 16, 64));
	assert_int_equal(faults(), 3);
}

static ino_t inode(int fd)
{
	struct stat st = {};

	fstat(fd, &st);
	return st.st_ino;
}

static void test_pool_hands_the_same_memory_out_again(void **state)
{
	int a, b, c;

	start_at(2);
	a = create2(1, 100, 100, 40000);
	unref(1);
	b = create2(2, 100, 100, 40000);
	assert_int_equal(inode(a), inode(b));
	c = create2(3, 100, 100, 40000);
	assert_int_not_equal(inode(b), inode(c));
	unref(2);
	/* Far too large for it: not wasted on something small. */
	close(a);
	a = create2(4, 16, 16, 1024);
	assert_int_not_equal(inode(a), inode(b));
	close(a);
	close(b);
	close(c);
}

static void test_pool_stays_charged_and_is_bounded(void **state)
{
	uint64_t before, mem = 64u << 20;

	start_small(mem, 2);
	create2(99, 1, 1, 0);
	before = used_bytes();
	for (uint32_t i = 1; i <= 40; i++) {
		sl_close(create2(i, 1, 1, 1u << 20));
	}
	for (uint32_t i = 1; i <= 40; i++) {
		unref(i);
	}
	assert_true(used_bytes() - before <= mem / 8);
	assert_true(used_bytes() - before >= mem / 8 - (1u << 20));
}

static void test_pool_gives_way_to_the_budget(void **state)
{
	start_small(20u << 20, 2);
	sl_close(create2(1, 1, 1, 2u << 20));
	unref(1);
	/* Fits only without the idle memory, whose size does not suit. */
	sl_close(create2(2, 1, 1, 10u << 20));
	assert_int_equal(faults(), 0);
	unref(2);
	sl_close(create2(3, 1, 1, 2u << 20));
	unref(3);
	create2(4, 1600, 1600, 0);
	assert_int_equal(faults(), 0);
}

/* The pages are gone before the charge is, though the client keeps its mapping. */
static void test_refunded_memory_is_punched(void **state)
{
	struct stat st;
	uint8_t *p;
	int fd;

	start_small(32u << 20, 2);
	fd = create2(1, 1, 1, 8u << 20);
	p = mmap(NULL, 8u << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 0xaa, 8u << 20);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks > 0);
	unref(1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(p[0], 0);
	munmap(p, 8u << 20);
	close(fd);
}

static void test_more_resources_than_fds(void **state)
{
	start_at(2);
	for (uint32_t i = 1; i <= 2000; i++) {
		int fd = create2(i, 1, 1, 64);

		assert_true(fd >= 0);
		close(fd);
	}
	for (uint32_t i = 1; i <= 2000; i++) {
		unref(i);
	}
	assert_int_equal(faults(), 0);
}

/* --- the stream --- */

static void test_end_between_messages(void **state)
{
	start_at(2);
	sl_memory_shutdown(rig.client);
	assert_int_equal(sl_vtest_rig_run(&rig), SL_VTEST_CLOSED);
	assert_int_equal(faults(), 0);
}

static void test_end_within_a_message(void **state)
{
	start_at(2);
	sl_memory_write(rig.client, "abc", 3);
	sl_memory_shutdown(rig.client);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_MALFORMED));
	assert_int_equal(faults(), 1);
}

static void test_end_within_a_skipped_upload(void **state)
{
	start_at(0);
	sl_vtest_rig_send_raw(&rig, 11, SL_VTEST_TRANSFER_PUT,
		(uint32_t[]){ 7, 0, 0, 0, 0, 0, 0, 16, 16, 1, 1000 }, 44);
	sl_memory_shutdown(rig.client);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_MALFORMED));
}

static void test_message_never_finished(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.message_ms = 5;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	assert_true(sl_vtest_deadline_ns(rig.vtest) == SL_NEVER_NS);
	sl_memory_write(rig.client, "abc", 3);
	run_ok();
	assert_true(sl_vtest_deadline_ns(rig.vtest) <= sl_now_ns() + 5 * SL_NSEC_PER_MSEC);
	usleep(6000);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_TIMEOUT));
	assert_true(sl_vtest_deadline_ns(rig.vtest) == SL_NEVER_NS);
}

static void test_idle_client_has_no_deadline(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.message_ms = 1;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	usleep(3000);
	run_ok();
	SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	run_ok();
	usleep(3000);
	run_ok();
}

/* Replies pile up to a bound, then the client's messages stay where they are, then it is over. */
static void test_client_that_does_not_read(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.message_ms = 5;
	o.memory.max_pending = 1000;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	for (int i = 0; i < 10000; i++) {
		SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	}
	run_ok();
	assert_int_equal(sl_memory_pending(rig.client), 1000);
	assert_true(sl_memory_unread(rig.client) > 0);
	assert_int_equal(sl_vtest_events(rig.vtest), POLLOUT);
	usleep(6000);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_TIMEOUT));
}

static void test_client_that_reads_slowly(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	uint8_t buf[777];
	size_t n = 0;

	o.memory.max_pending = 1000;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	for (int i = 0; i < 10000; i++) {
		SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	}
	do {
		run_ok();
		n += get(buf, sizeof(buf));
	} while (n < 80000);
	assert_int_equal(n, 80000);
	expect_nothing();
}

static void test_client_that_has_gone(void **state)
{
	start_at(2);
	SEND(SL_VTEST_PING_PROTOCOL_VERSION);
	rig.client = sl_memory_free(rig.client);
	assert_int_equal(sl_vtest_run(rig.vtest), SL_VTEST_CLOSED);
}

/* One byte at a time changes nothing. */
static void test_single_bytes(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	int fd;

	o.memory.max_recv = 1;
	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, 2), 2);
	fd = create2(7, 16, 16, 1024);
	assert_true(fd >= 0);
	SEND(SL_VTEST_SUBMIT_CMD, 1, 2, 3, 4);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 1);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	close(fd);
	assert_int_equal(faults(), 0);
}

/* Every command with every field at its extremes: the session may end, it may not break. */
static void test_extreme_fields(void **state)
{
	static const uint32_t evil[] = { 0, 1, 2, 3, 4095, 4096, 16384, 0x7fffffff, 0x80000000,
		0xfffffffe, 0xffffffff };
	static const uint8_t words[SL_VTEST_N_IDS] = { [1] = 0, 10, 1, 11, 11, 3, 2, 2, 0, 0, 1, 11,
		10, 10, 1, 2, 1, 6, 2, 1, 1, 3, 5, 12 };

	for (uint32_t async = 0; async < 2; async++) {
		for (uint32_t id = 1; id <= SL_VTEST_SUBMIT_CMD2; id++) {
			for (uint32_t k = 0; k < words[id] * SL_ARRAY_LEN(evil); k++) {
				struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
				uint32_t w[16] = { 1, 2, R8G8B8A8, 2, 16, 16, 1, 1, 0, 0, 1024 };

				o.async = async;
				o.limits.mem_bytes = 64u << 20;
				o.memory.discard_output = true;
				start(&o);
				sl_vtest_rig_handshake(&rig, 3);
				w[k / SL_ARRAY_LEN(evil)] = evil[k % SL_ARRAY_LEN(evil)];
				sl_vtest_rig_send_raw(&rig, words[id], id, w, words[id] * 4u);
				SEND(SL_VTEST_SUBMIT_CMD, 0, 0);
				sl_vtest_rig_run(&rig);
				sl_vtest_rig_fini(&rig);
			}
		}
	}
}

/* --- recording --- */

static void test_recording(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	static uint8_t file[65536];
	unsigned int messages = 0, memory = 0;
	struct sl_rec_record rec;
	uint32_t kind, put[10] = { 7, 0, 0, 0, 0, 16, 16, 1, 1024, 0 };
	size_t pos = SL_REC_FILE_BYTES, need;
	ssize_t size;
	uint8_t *p;
	int fd;

	o.record_fd = memfd_create("recording", MFD_CLOEXEC);
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	fd = create2(7, 16, 16, 1024);
	p = mmap(NULL, 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[5] = 42;
	send_words(SL_VTEST_TRANSFER_PUT2, put, 10);
	send_words(SL_VTEST_TRANSFER_PUT2, put, 10);
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	run_ok();
	p[5] = 43;
	SEND(SL_VTEST_SUBMIT_CMD, 1, 7, 7);
	run_ok();
	size = pread(o.record_fd, file, sizeof(file), 0);
	assert_int_equal(sl_rec_parse_file(file, (size_t)size, &kind), 0);
	while (sl_rec_parse(file + pos, (size_t)size - pos, &rec, &need) == 0) {
		messages += rec.type == SL_REC_MESSAGE;
		if (rec.type == SL_REC_MEMORY) {
			assert_int_equal(rec.resource, 7);
			assert_int_equal(rec.data_bytes, 1024);
			assert_int_equal(rec.data[5], memory == 0 ? 42 : 43);
			memory++;
		}
		pos += rec.size_bytes;
	}
	assert_int_equal(pos, size);
	assert_int_equal(messages, 2 + 1 + 4);
	assert_int_equal(memory, 2);
	munmap(p, 1024);
	close(fd);
	close(o.record_fd);
}

#define T(f) cmocka_unit_test_teardown(f, teardown)

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
		T(test_create2_gives_sealed_memory),
		T(test_create2_without_memory),
		T(test_transfers_go_through_the_memfd),
		T(test_transfers_out_of_range),
		T(test_unref_of_what_is_not_there),
		T(test_handle_taken),
		T(test_nonsense_resources),
		T(test_session_chooses_handles_in_v3),
		T(test_client_may_not_choose_in_v3),
		T(test_fd_follows_its_reply),
		T(test_blobs),
		T(test_bad_blobs_are_answered),
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
		T(test_sync_values),
		T(test_sync_wait_all_and_any),
		T(test_sync_wait_refusals),
		T(test_sync_wait_expires),
		T(test_wait_outlives_the_id),
		T(test_submit2_signals_at_once_when_idle),
		T(test_submit2_with_bad_ring_or_sync),
		T(test_syncs_are_limited),
		T(test_out_of_budget_v2),
		T(test_out_of_budget_v3),
		T(test_too_many_resources),
		T(test_pool_hands_the_same_memory_out_again),
		T(test_pool_stays_charged_and_is_bounded),
		T(test_pool_gives_way_to_the_budget),
		T(test_refunded_memory_is_punched),
		T(test_more_resources_than_fds),
		T(test_end_between_messages),
		T(test_end_within_a_message),
		T(test_end_within_a_skipped_upload),
		T(test_message_never_finished),
		T(test_idle_client_has_no_deadline),
		T(test_client_that_does_not_read),
		T(test_client_that_reads_slowly),
		T(test_client_that_has_gone),
		T(test_single_bytes),
		cmocka_unit_test(test_extreme_fields),
		T(test_recording),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
