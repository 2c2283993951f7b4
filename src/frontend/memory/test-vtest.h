/* SPDX-License-Identifier: MIT */
#pragma once

/* What the unit tests of the vtest front end share: a rig, and words in and out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/memory/vtest-rig.h"
#include "protocol/vtest.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"

#define R8G8B8A8 67u
#define TARGET_2D 2u
#define FAULT(f) (SL_VTEST_FAULT_BASE - (f))

static struct sl_vtest_rig rig;

static inline void start(const struct sl_vtest_rig_options *o)
{
	assert_int_equal(sl_vtest_rig_init(&rig, o), 0);
}

static inline void start_at(uint32_t version)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, version), version);
}

static inline int teardown(void **state)
{
	sl_vtest_rig_fini(&rig);
	return 0;
}

static inline void send_words(uint32_t id, const uint32_t *w, size_t n)
{
	sl_vtest_rig_send(&rig, id, w, n);
}
#define SEND(id, ...)                                                                              \
	send_words(id, (uint32_t[]){ __VA_ARGS__ },                                                \
		sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static inline void run_ok(void)
{
	assert_int_equal(sl_vtest_rig_run(&rig), SL_VTEST_OPEN);
}

static inline size_t get(void *buf, size_t size)
{
	return sl_memory_read(rig.client, buf, size, NULL);
}

/* Read a reply of words and compare. */
static inline void expect_words(const uint32_t *w, size_t n)
{
	uint32_t got[64] = {};

	assert_int_equal(get(got, n * 4), n * 4);
	assert_memory_equal(got, w, n * 4);
}
#define EXPECT(...)                                                                                \
	expect_words((uint32_t[]){ __VA_ARGS__ },                                                  \
		sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static inline void expect_nothing(void)
{
	assert_int_equal(sl_memory_pending(rig.client), 0);
}

/* The byte and its fd; -1 if it came alone. */
static inline int expect_fd(void)
{
	char byte;
	int fd = -1;

	assert_int_equal(sl_memory_read(rig.client, &byte, 1, &fd), 1);
	return fd;
}

static inline uint64_t used_bytes(void)
{
	struct sl_session_stats s;

	sl_session_stats(rig.session, &s);
	return s.mem_bytes;
}

static inline uint64_t faults(void)
{
	struct sl_session_stats s;

	sl_session_stats(rig.session, &s);
	return s.faults;
}

static inline void send_create2(uint32_t handle, uint32_t w, uint32_t h, uint32_t data)
{
	SEND(SL_VTEST_RESOURCE_CREATE2, handle, TARGET_2D, R8G8B8A8, 2, w, h, 1, 1, 0, 0, data);
}

/* v2: create and take the fd. */
static inline int create2(uint32_t handle, uint32_t w, uint32_t h, uint32_t data)
{
	send_create2(handle, w, h, data);
	run_ok();
	return data > 0 ? expect_fd() : -1;
}

static inline void unref(uint32_t handle)
{
	SEND(SL_VTEST_RESOURCE_UNREF, handle);
	run_ok();
}

static inline void start_async(uint32_t version)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.async = true;
	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, version), version);
}

#define T(f) cmocka_unit_test_teardown(f, teardown)
