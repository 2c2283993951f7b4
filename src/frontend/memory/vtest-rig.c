/* SPDX-License-Identifier: MIT */
/*
 * The rig for testing the vtest front end without sockets or processes. It drives the front end
 * exactly as a worker's loop does: poll the session, run, look at what it wants next.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "backend/null/null.h"
#include "frontend/memory/vtest-rig.h"
#include "protocol/vtest.h"
#include "util/cleanup.h"
#include "util/fds.h"

int sl_vtest_rig_init(struct sl_vtest_rig *r, const struct sl_vtest_rig_options *o)
{
	const struct sl_null_options null = { .async = o->async };
	struct sl_transport *t = NULL;
	struct sl_backend *b = NULL;
	int e;

	*r = (struct sl_vtest_rig){};
	e = sl_null_new(&null, &b);
	if (e == 0) {
		e = sl_session_new(1, &o->limits, b, &r->session);
	}
	if (e == 0) {
		e = sl_memory_new(&o->memory, &r->client, &t);
	}
	if (e == 0) {
		e = sl_vtest_new(r->session, t, &r->vtest);
	}
	if (e == 0 && o->record_fd >= 0) {
		e = sl_vtest_record(r->vtest, o->record_fd);
	}
	return e;
}

void sl_vtest_rig_fini(struct sl_vtest_rig *r)
{
	r->vtest = sl_vtest_free(r->vtest);
	r->session = sl_session_free(r->session);
	r->client = sl_memory_free(r->client);
}

void sl_vtest_rig_send_raw(
	struct sl_vtest_rig *r, uint32_t length, uint32_t id, const void *bytes, size_t size)
{
	uint32_t header[2] = { length, id };

	if (sl_memory_write(r->client, header, sizeof(header)) < 0 ||
		(size > 0 && sl_memory_write(r->client, bytes, size) < 0)) {
		abort();
	}
}

void sl_vtest_rig_send(struct sl_vtest_rig *r, uint32_t id, const uint32_t *words, size_t n)
{
	sl_vtest_rig_send_raw(r, (uint32_t)n, id, words, n * 4);
}

int sl_vtest_rig_run(struct sl_vtest_rig *r)
{
	int result;

	for (;;) {
		uint64_t bytes_in = sl_memory_unread(r->client), next;
		size_t out = sl_memory_pending(r->client);
		short events;

		next = sl_session_poll(r->session);
		result = sl_vtest_run(r->vtest);
		events = sl_vtest_events(r->vtest);
		if (result != 0 || (sl_memory_unread(r->client) == bytes_in &&
					   sl_memory_pending(r->client) == out && events != 0)) {
			return result;
		}
		if (events == 0 && next == SL_NEVER_NS && sl_session_poll_fd(r->session) < 0) {
			/* It waits for a fence that nobody will report: a bug, not a state. */
			abort();
		}
	}
}

uint32_t sl_vtest_rig_handshake(struct sl_vtest_rig *r, uint32_t version)
{
	uint32_t reply[3] = {};

	sl_vtest_rig_send_raw(r, 5, SL_VTEST_CREATE_RENDERER, "test", 5);
	sl_vtest_rig_send(r, SL_VTEST_PROTOCOL_VERSION, &version, 1);
	sl_vtest_rig_run(r);
	sl_memory_read(r->client, reply, sizeof(reply), NULL);
	return reply[2];
}
