/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "frontend/vtest/vtest.h"
#include "protocol/vtest.h"
#include "util/fault.h"
#include "util/idtable.h"
#include "util/list.h"

/*
 * Inside the vtest front end. One client has one context; everything it makes lives in that.
 * Handlers return 0, a positive enum sl_fault that ends the connection, or -errno; what the
 * protocol goes on after is counted with sl_vt_absorb().
 */
#define SL_VT_CTX 1u
/* What sl_session_wait_*() return when they will call back. */
#define SL_VT_PENDING 1

/* Bytes that have come in and not been handled: buffer[begin, end). */
struct sl_vt_input {
	uint8_t *buffer;
	size_t begin, end, size;
	uint64_t skip_bytes;     /* of a refused inline upload, still to be thrown away */
	struct sl_charge charge; /* of what the buffer has grown by */
	uint64_t since_ns;       /* when an unfinished message was first seen, 0 if none */
	bool drained;            /* the last read took less than there was room for */
};

int sl_vt_input_init(struct sl_vt_input *in);
void sl_vt_input_fini(struct sl_vt_input *in);
/* Read once. Bytes read, 0 at the end of the stream, or -errno. There is room: see _reserve(). */
ssize_t sl_vt_input_fill(struct sl_vt_input *in, struct sl_transport *t);
/* Make room for a message of @bytes that begins at in->begin. 0, SL_FAULT_NO_MEMORY, -ENOMEM. */
int sl_vt_input_reserve(struct sl_vt_input *in, struct sl_meter *m, size_t bytes);
void sl_vt_input_consume(struct sl_vt_input *in, size_t bytes);
static inline size_t sl_vt_input_bytes(const struct sl_vt_input *in)
{
	return in->end - in->begin;
}

/* Replies on their way out: bytes, then zeros, then an fd with its byte; in this order. */
struct sl_vt_output {
	uint8_t *buffer;
	size_t begin, end, size;
	uint64_t zero_bytes;
	struct sl_charge charge;
	int fd;
	bool fd_due, fd_owned;
	uint64_t since_ns; /* when the client stopped reading, 0 if it reads */
};

int sl_vt_output_init(struct sl_vt_output *o);
void sl_vt_output_fini(struct sl_vt_output *o);
static inline bool sl_vt_output_empty(const struct sl_vt_output *o)
{
	return o->begin == o->end && o->zero_bytes == 0 && !o->fd_due;
}
/* Whether a further reply may be queued now; if not, flush first. */
bool sl_vt_output_ready(const struct sl_vt_output *o);
/* 0, -EAGAIN when the client does not read, or another -errno. */
int sl_vt_output_flush(struct sl_vt_output *o, struct sl_transport *t);
/*
 * Space for @bytes more of reply, zeroed and counted as queued. SL_FAULT_NO_MEMORY when the budget
 * does not have it (small replies always fit).
 */
int sl_vt_output_reserve(struct sl_vt_output *o, struct sl_meter *m, size_t bytes, uint8_t **ret);
/* Queue an fd; -1 sends its byte alone. Closed after sending if @owned. */
void sl_vt_output_fd(struct sl_vt_output *o, int fd, bool owned);

/* Shared memory behind a resource, ours and the client's; see staging.c. */
struct sl_vt_pool;

struct sl_vt_staging {
	struct sl_list link, in_class; /* in the pool's lists of idle ones */
	struct sl_vt_pool *pool;
	struct sl_charge charge;
	void *map;
	size_t size_bytes;
	int fd; /* -1: sent and not kept */
};

int sl_vt_pool_new(struct sl_session *s, struct sl_vt_pool **ret);
/* The front end has gone: what comes back from now on is destroyed at once. */
void sl_vt_pool_close(struct sl_vt_pool *p);
/* At least @bytes, mapped; 0, SL_FAULT_NO_MEMORY, SL_FAULT_LIMIT, or -errno. */
int sl_vt_pool_get(struct sl_vt_pool *p, uint64_t bytes, struct sl_vt_staging **ret);
/* Give idle memory back to the budget. True if there was any. */
bool sl_vt_pool_trim(struct sl_vt_pool *p);
/* Queue its fd for the client; with @st NULL, the byte without an fd that says no. */
void sl_vt_staging_queue_fd(struct sl_vt_staging *st, struct sl_vt_output *o);
/* The release callback of a resource's backing: @user is the staging. */
void sl_vt_staging_release(void *user);

struct sl_vt_sync;
struct sl_vt_recorder;

struct sl_vt_point {
	struct sl_vt_sync *sync; /* NULL once reached */
	uint64_t value;
};

/* What a wait watches or a submission will signal. */
struct sl_vt_points {
	struct sl_charge charge;
	uint32_t n;
	struct sl_vt_point p[];
};

struct sl_vtest {
	struct sl_session *session;
	struct sl_transport *transport;
	struct sl_vt_input in;
	struct sl_vt_output out;
	struct sl_vt_pool *pool;
	struct sl_vt_recorder *recorder;
	int ended; /* what sl_vtest_run() returned for good, 0 while open */

	uint32_t version;
	bool renderer, context, context_init, caps_read;
	uint32_t capset;
	char name[64];

	struct sl_wait wait; /* a RESOURCE_BUSY_WAIT that is not answered yet */
	bool waiting;        /* nothing is read, and nothing sent, until it is over */
	bool wait_reply;     /* its end is what the client waits for */

	struct sl_idtable blobs; /* the staging of each guest blob, by resource id */
	struct sl_idtable syncs;
	uint32_t next_sync;
	struct sl_list sync_waits, sync_submits;
	uint32_t n_sync_waits, n_sync_submits;
};

/* Count a fault that the protocol goes on after; host errors pass through. */
int sl_vt_absorb(struct sl_vtest *v, int r);
/* The client's context, made at first need. */
int sl_vt_need_context(struct sl_vtest *v);
int sl_vt_reply_words(struct sl_vtest *v, uint32_t request, const uint32_t *words, size_t n);
int sl_vt_flush(struct sl_vtest *v);

/* Handle what is buffered. 0: blocked by a wait or the client; -EAGAIN: all handled. */
int sl_vt_handle_buffered(struct sl_vtest *v);
/* Whether the body of this message is to be skipped rather than buffered, or ends the session. */
int sl_vt_admit_body(struct sl_vtest *v, const struct sl_vtest_message *m, bool *ret_skip);
/* No honest inline transfer of a resource is larger than this. 0: there is no such resource. */
uint64_t sl_vt_inline_bound(struct sl_vtest *v, uint32_t handle);
int sl_vt_dispatch(struct sl_vtest *v, const struct sl_vtest_message *m);

int sl_vt_resource_create(struct sl_vtest *v, const struct sl_vtest_message *m);
int sl_vt_resource_create_blob(struct sl_vtest *v, const struct sl_vtest_message *m);
/* At the end: guest blobs go before the memory under them. */
void sl_vt_blobs_fini(struct sl_vtest *v);
/* The resource is gone: so may the memory under it go, if it was a guest blob. */
void sl_vt_blob_release(struct sl_vtest *v, uint32_t id);
int sl_vt_resource_unref(struct sl_vtest *v, const struct sl_vtest_message *m);
int sl_vt_transfer(struct sl_vtest *v, const struct sl_vtest_message *m);
int sl_vt_busy_wait(struct sl_vtest *v, const struct sl_vtest_message *m);
int sl_vt_submit(struct sl_vtest *v, uint32_t *cmd, size_t n_dw);

int sl_vt_sync_message(struct sl_vtest *v, const struct sl_vtest_message *m);
int sl_vt_submit2(struct sl_vtest *v, const struct sl_vtest_message *m);
void sl_vt_submits_fini(struct sl_vtest *v);
/* Room for @max points, paid for together with the @extra bytes of what holds them. */
int sl_vt_points_new(struct sl_vtest *v, uint32_t max, size_t extra, struct sl_vt_points **ret);
int sl_vt_points_add(
	struct sl_vtest *v, struct sl_vt_points *ps, const struct sl_vtest_point *from);
void sl_vt_points_signal(struct sl_vtest *v, struct sl_vt_points *ps);
struct sl_vt_points *sl_vt_points_free(struct sl_vt_points *ps);
void sl_vt_sync_init(struct sl_vtest *v);
void sl_vt_sync_fini(struct sl_vtest *v);
void sl_vt_sync_expire(struct sl_vtest *v, uint64_t now_ns);
uint64_t sl_vt_sync_deadline_ns(const struct sl_vtest *v);

/* Recording; all are no-ops when there is no recorder. */
/* @begin: where the message lies as it came. */
void sl_vt_record_message(
	struct sl_vtest *v, const struct sl_vtest_message *m, const uint8_t *begin);
void sl_vt_record_created(struct sl_vtest *v, uint32_t res_id);
/* @res_id got backing that the client can write to. */
void sl_vt_record_backing(struct sl_vtest *v, uint32_t res_id, const void *map, size_t bytes);
/* Before (@done false) and behind a read-back into that backing. */
void sl_vt_record_readback(
	struct sl_vtest *v, uint32_t res_id, const struct sl_transfer *t, bool done);
void sl_vt_record_unref(struct sl_vtest *v, uint32_t res_id);
struct sl_vt_recorder *sl_vt_recorder_free(struct sl_vt_recorder *r);
