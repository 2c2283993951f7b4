/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/session.h"
#include "frontend/memory/memory.h"
#include "frontend/vtest/vtest.h"

/*
 * A whole vtest session in one process: front end on the null back end on the memory transport.
 * For unit tests, fuzzing and the mutation driver.
 */
struct sl_vtest_rig {
	struct sl_session *session;
	struct sl_vtest *vtest;
	struct sl_memory *client;
};

struct sl_vtest_rig_options {
	struct sl_limits limits;
	struct sl_memory_options memory;
	bool async; /* fences complete only in sl_session_poll() */
	int record_fd;
};

#define SL_VTEST_RIG_DEFAULT                                                                       \
	((struct sl_vtest_rig_options){ .limits = SL_LIMITS_DEFAULT, .record_fd = -1 })

int sl_vtest_rig_init(struct sl_vtest_rig *r, const struct sl_vtest_rig_options *o);
/* Frees everything; the session asserts that every charge came back. */
void sl_vtest_rig_fini(struct sl_vtest_rig *r);

/* Queue a message of words with a length that counts them. */
void sl_vtest_rig_send(struct sl_vtest_rig *r, uint32_t id, const uint32_t *words, size_t n);
/* Queue a message with a length of its own and a body of bytes. */
void sl_vtest_rig_send_raw(
	struct sl_vtest_rig *r, uint32_t length, uint32_t id, const void *bytes, size_t size);
/* CREATE_RENDERER and PROTOCOL_VERSION, replies read; the version agreed on. */
uint32_t sl_vtest_rig_handshake(struct sl_vtest_rig *r, uint32_t version);
/* sl_session_poll() and sl_vtest_run() until neither does anything more. The last result. */
int sl_vtest_rig_run(struct sl_vtest_rig *r);
