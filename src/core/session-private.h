/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/session.h"
#include "util/fault.h"
#include "util/fds.h"
#include "util/idtable.h"

/*
 * Inside the core. The session owns contexts and resources through its id tables; an attachment
 * joins one of each and sits in a list of both, so that the end of either finds it.
 */

/* Caps of one capset as they were when first asked for. */
struct sl_caps {
	uint32_t id, version, size;
	void *data;
};
#define SL_MAX_CAPS 8

/*
 * How far work has come, in one context. Sequence numbers are the session's (sl_session.work):
 * work == done means that nothing is outstanding.
 */
struct sl_timeline {
	uint64_t work;       /* newest work */
	uint64_t fenced;     /* newest work that a fence covers */
	uint64_t last_fence; /* the newest fence made, and the newest reported */
	uint64_t done_fence;
};

struct sl_context {
	uint32_t id;
	bool lost;
	struct sl_charge charge;
	struct sl_charge stream; /* what its command streams made inside the renderer */
	uint32_t stream_contexts;
	struct sl_timeline time;
	struct sl_list attachments;
};

struct sl_resource {
	uint32_t id;
	bool poisoned, blob, in_backend;
	struct sl_resource_args args;
	struct sl_charge charge;
	struct iovec *iov;
	uint32_t n_iov;
	struct sl_charge iov_charge;
	void (*release)(void *user);
	void *user;
	uint64_t read_at; /* sl_session.work when it was read back; work counts from 1 */
	struct sl_list attachments;
};

struct sl_attachment {
	struct sl_context *ctx;
	struct sl_resource *res;
	struct sl_charge charge;
	struct sl_list in_ctx, in_res;
};

struct sl_session {
	uint64_t id;
	struct sl_limits limits;
	struct sl_meter meter;
	struct sl_backend *b;
	struct sl_idtable contexts, resources;
	uint32_t stream_contexts; /* sum over contexts */
	uint32_t next_res_id;
	uint64_t work;       /* sequence number of the newest work of any context */
	uint64_t next_fence; /* rises over the whole session, so within each ring too */
	struct sl_list waits;
	bool ending;
	struct sl_resource_args
		refused_args; /* of refused_id, for the placeholder of a poisoned one */
	uint32_t refused_id;
	struct sl_caps caps[SL_MAX_CAPS];
	size_t n_caps;
	struct sl_session_stats stats;
};

static inline struct sl_context *sl_context_get(const struct sl_session *s, uint32_t id)
{
	return sl_idtable_get(&s->contexts, id);
}

static inline struct sl_resource *sl_resource_get(const struct sl_session *s, uint32_t id)
{
	return sl_idtable_get(&s->resources, id);
}

/* Remember the longest call into the renderer. */
static inline void sl_session_note_call(struct sl_session *s, uint64_t began_ns)
{
	uint64_t took = sl_now_ns() - began_ns;

	if (took > s->stats.stall_ns) {
		s->stats.stall_ns = took;
	}
}

/* Something that the client waited for has come: a read-back or a fence. */
static inline void sl_session_note_result(struct sl_session *s)
{
	if (s->stats.first_result_ns == 0) {
		s->stats.first_result_ns = sl_now_ns();
	}
}

void sl_attachment_free(struct sl_attachment *a);
void sl_context_free(struct sl_session *s, struct sl_context *c);
void sl_resource_free(struct sl_session *s, struct sl_resource *r);

/* New work in @c (every other completion state follows from this). */
void sl_fence_note_work(struct sl_session *s, struct sl_context *c);
void sl_fence_cancel_all(struct sl_session *s);
void sl_fence_done(void *user, uint32_t ctx_id, uint32_t ring, uint64_t fence_id);
