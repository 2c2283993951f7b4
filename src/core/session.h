/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/backend.h"
#include "core/charge.h"
#include "core/limits.h"
#include "util/list.h"

/*
 * A session: one use of the GPU by one domain. It owns ids, lifetimes, limits and completion.
 * Front ends call it; it calls one back end. Results are 0, a positive enum sl_fault, or -errno,
 * and nothing has changed when the result is not 0. No call blocks.
 */

struct sl_session;
struct sl_resource;

struct sl_session_stats {
	uint64_t submits;         /* command buffers executed */
	uint64_t commands;        /* protocol messages handled */
	uint64_t transfer_bytes;  /* pixels and vertices moved, both ways */
	uint64_t bytes_in;        /* from the client's socket */
	uint64_t faults;          /* the client's, of any kind */
	uint64_t stall_ns;        /* longest single renderer call */
	uint64_t first_result_ns; /* CLOCK_MONOTONIC of the first read-back or fence, 0: none */
	uint64_t mem_bytes, mem_peak_bytes, mem_limit_bytes, mem_refused;
	uint32_t resources, contexts;
	uint32_t last_fault; /* enum sl_fault */
};

/* The session takes @backend over, freed with it. @id is the broker's, 64 bits, never reused. */
int sl_session_new(uint64_t id, const struct sl_limits *limits, struct sl_backend *backend,
	struct sl_session **ret);
/* Destroys contexts and resources, fails pending waits with -ECANCELED, checks all charges. */
struct sl_session *sl_session_free(struct sl_session *s);

uint64_t sl_session_id(const struct sl_session *s);
const struct sl_limits *sl_session_limits(const struct sl_session *s);
const struct sl_renderer_info *sl_session_renderer(const struct sl_session *s);
struct sl_meter *sl_session_meter(struct sl_session *s);
void sl_session_stats(const struct sl_session *s, struct sl_session_stats *ret);
/* Front ends count what only they see. */
void sl_session_count_message(struct sl_session *s, uint64_t bytes_in);
void sl_session_count_fault(struct sl_session *s, int fault);

/* Capsets. Caps are taken from the back end once and served from a cache. */
void sl_session_capset_info(
	struct sl_session *s, uint32_t capset, uint32_t *ret_version, uint32_t *ret_size);
int sl_session_capset(
	struct sl_session *s, uint32_t capset, uint32_t version, void *buf, size_t size);

/* Contexts. @ctx_id is the front end's choice, not 0. @capset 0 is the default GL context. */
int sl_session_context_create(
	struct sl_session *s, uint32_t ctx_id, uint32_t capset, const char *name);
int sl_session_context_destroy(struct sl_session *s, uint32_t ctx_id);
int sl_session_context_attach(struct sl_session *s, uint32_t ctx_id, uint32_t res_id);
int sl_session_context_detach(struct sl_session *s, uint32_t ctx_id, uint32_t res_id);

/*
 * Resources. With @res_id 0 the session chooses an id (returned). @extra_bytes is shared memory
 * that the front end makes beside it (its backing), charged together and refunded with it.
 * A resource whose budget or arguments were refused may be made as poisoned with
 * sl_session_resource_poison(): it exists, costs nothing, and every use of it succeeds without
 * doing anything, for protocols that have no error reply.
 */
int sl_session_resource_create(struct sl_session *s, uint32_t res_id,
	const struct sl_resource_args *args, uint64_t extra_bytes, uint32_t *ret_id);
int sl_session_resource_create_blob(struct sl_session *s, uint32_t ctx_id, uint32_t res_id,
	const struct sl_blob_args *args, const struct iovec *iov, uint32_t n_iov,
	uint64_t extra_bytes, uint32_t *ret_id);
int sl_session_resource_poison(struct sl_session *s, uint32_t res_id, uint32_t *ret_id);
int sl_session_resource_export(
	struct sl_session *s, uint32_t res_id, int *ret_fd, uint64_t *ret_size);
/*
 * Give it its backing. @release is called with @user when the session has let go of it for good
 * (after unref and all use), which may be before this resource's id is used again.
 */
int sl_session_resource_attach(struct sl_session *s, uint32_t res_id, const struct iovec *iov,
	uint32_t n_iov, void (*release)(void *user), void *user);
int sl_session_resource_unref(struct sl_session *s, uint32_t res_id);
bool sl_session_resource_exists(const struct sl_session *s, uint32_t res_id);
bool sl_session_resource_poisoned(const struct sl_session *s, uint32_t res_id);
/* NULL if there is none (or it is a blob or poisoned). */
const struct sl_resource_args *sl_session_resource_args(
	const struct sl_session *s, uint32_t res_id);
/* The @user of its backing, or NULL. */
void *sl_session_resource_backing(const struct sl_session *s, uint32_t res_id);

/* Work. @iov NULL means the resource's own backing; ranges are checked against either. */
int sl_session_transfer_write(struct sl_session *s, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov);
int sl_session_transfer_read(struct sl_session *s, uint32_t ctx_id, uint32_t res_id,
	const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov);
/*
 * @cmd is a private copy and may be written to. SL_FAULT_NO_MEMORY or _LIMIT: not executed, the
 * session goes on. SL_FAULT_RENDERER: the renderer stopped in this stream; its context may be lost
 * (a lost context answers so to every later submit), which is the client's loss alone: a front
 * end without an error reply absorbs it.
 */
int sl_session_submit(struct sl_session *s, uint32_t ctx_id, uint32_t *cmd, size_t n_dw);

/*
 * Waiting. A wait is a stored continuation, embedded in what waits. The core makes fences only
 * when somebody waits (GL executes in order, so a fence made late covers what came before), and
 * none for work whose completion is already known: a resource that was just read back, or a
 * session with nothing submitted since its last fence.
 */
struct sl_wait {
	void (*done)(struct sl_wait *w, int result); /* 0, or -ECANCELED at the session's end */
	struct sl_session *session;                  /* core's, NULL when idle */
	struct sl_list link;
	uint32_t ctx_id, res_id; /* res_id 0: the ring alone */
	uint64_t fence_id;
};

/*
 * Wait for all work on @res_id. 0: idle now, done() is not called. 1: pending, done() is called
 * once, later, from sl_session_poll(). Otherwise a fault.
 */
int sl_session_wait_resource(
	struct sl_session *s, uint32_t ctx_id, uint32_t res_id, struct sl_wait *w);
/* 0 idle, 1 busy. Makes progress: asking again and again ends. */
int sl_session_resource_busy(struct sl_session *s, uint32_t ctx_id, uint32_t res_id);
/*
 * Wait for all work submitted so far on a ring of a context. Same returns. A GL context executes
 * in one order, so all its rings are one.
 */
int sl_session_wait_ring(struct sl_session *s, uint32_t ctx_id, uint32_t ring, struct sl_wait *w);
/* Forget a pending wait; harmless when idle. done() is not called. */
void sl_session_wait_cancel(struct sl_wait *w);

/* The back end's poll fd, or -1. */
int sl_session_poll_fd(struct sl_session *s);
/*
 * Report what has completed. Returns after how many ns to call again, or SL_NEVER_NS. Call it
 * once before every sleep of the loop (and after the front end has run: a wait begun there is
 * only known to the next call). done() may start and cancel waits; it must not free the session.
 */
uint64_t sl_session_poll(struct sl_session *s);
